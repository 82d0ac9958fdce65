from __future__ import annotations

from pathlib import Path

import pytest

from gated import Gated


@pytest.fixture
def gated(tmp_path: Path) -> Gated:
    """Processes with a gate, in a folder of the test's own."""
    return Gated(tmp_path)
