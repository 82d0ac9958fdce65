from __future__ import annotations

import pytest

from lab import Lab, python


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Lab:
    """A run of two intervals."""
    lab = Lab(tmp_path_factory.mktemp("engines"))
    lab.script("functional_loss")
    lab.record(python("functional_loss.py", "--steps", "20"), interval=10)
    return lab
