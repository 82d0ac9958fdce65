from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
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


@pytest.fixture
def agent(tmp_path: Path, desk: Desk) -> Iterator[str]:
    """A node agent on a socket of its own, in a process of its own."""
    if os.geteuid() != 0:
        pytest.skip("the node agent has to be root")
    path = str(tmp_path / "agent.sock")
    command = [sys.executable, "-m", "veristep.cli.main", "agent", "--socket", path]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    desk.environment["VERISTEP_AGENT"] = path
    assert process.stderr is not None
    said = b"".join(process.stderr.readline() for _ in range(4))
    try:
        if b"not covered" in said:
            pytest.skip(f"this kernel does not let: {said.decode()}")
        desk.wait_for(lambda: Path(path).exists() or process.poll())
        yield path
    finally:
        process.terminate()
        process.communicate()
