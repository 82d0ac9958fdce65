from __future__ import annotations

from pathlib import Path

import pytest

from gated import Gated, built


@pytest.fixture(params=["python", "native"])
def gated(request: pytest.FixtureRequest, tmp_path: Path) -> Gated:
    """Processes with a gate, in a folder of the test's own: the hook in Python, and the one in C."""
    if request.param == "native" and not built():
        pytest.skip("no compiler: the hook in C is optional")
    return Gated(tmp_path, native=request.param == "native")
