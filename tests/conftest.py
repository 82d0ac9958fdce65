from __future__ import annotations

from pathlib import Path

import pytest

from lab import Lab


@pytest.fixture
def lab(tmp_path: Path) -> Lab:
    """A private home, ledger and working directory, and the command line in it."""
    return Lab(tmp_path)
