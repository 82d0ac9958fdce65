from __future__ import annotations

import os
import shutil
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from desk import TRAIN, Desk
from once import BYTE_CODE, leave_environment_alone, share_byte_code

SCRIPTS = Path(__file__).parent.parent / "scripts"


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Desk]:
    home = tmp_path / "home"
    for folder in (home, tmp_path / "work"):
        folder.mkdir()
    share_byte_code(home / "cache")
    leave_environment_alone(tmp_path)
    environment = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("XDG_", "PYTHON", "VERISTEP"))
    }
    private = {
        "HOME": str(home),
        "XDG_STATE_HOME": str(home / "state"),
        "XDG_DATA_HOME": str(home / "data"),
        "XDG_CACHE_HOME": str(home / "cache"),
        "VERISTEP_LEDGER": str(tmp_path / "ledger"),
        "PYTHONPYCACHEPREFIX": str(BYTE_CODE),
        # The clean room's environment is built once for the tests that are about it.
        "VERISTEP_IN_PLACE": "1",
    }
    for name, value in private.items():
        monkeypatch.setenv(name, value)
    here = Desk(tmp_path, environment | private)
    here.write("train.py", TRAIN)
    yield here
    for process in here.started:
        if process.poll() is None:
            process.send_signal(signal.SIGCONT)
            process.kill()
        process.wait()


@pytest.fixture
def classifier(desk: Desk) -> Path:
    """An ordinary training script with a loader and checkpoints."""
    shutil.copy(SCRIPTS / "digits.npz", desk.work)
    return Path(shutil.copy(SCRIPTS / "classifier_loader.py", desk.work))
