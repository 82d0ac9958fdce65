"""What is made once for all tests: byte code of torch, for trainings and for replays, and recorded runs."""

from __future__ import annotations

import fcntl
import os
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest

BYTE_CODE = Path(tempfile.gettempdir()) / f"veristep-test-bytecode-{os.getuid()}"


def share_byte_code(cache: Path) -> None:
    """Have replays with this cache folder use byte code that is compiled once for all tests.

    Each private home would have it compiled again, which takes longer than all else of a test.
    """
    shared = BYTE_CODE.with_name(BYTE_CODE.name + "-replay")
    shared.mkdir(mode=0o700, exist_ok=True)
    own = cache / "veristep"
    own.mkdir(parents=True, exist_ok=True)
    if not (own / "replay-bytecode").exists():
        (own / "replay-bytecode").symlink_to(shared)


def leave_environment_alone(folder: Path) -> None:
    """Have runs below a folder not look at the environment they run in: only the tests about it need that.

    Each private home would have every file of it read, and compiled, again.
    """
    (folder / "veristep.toml").write_text('[rules]\nENV = "off"\nMEM = "off"\n', encoding="utf-8")


def made_once(factory: pytest.TempPathFactory, name: str, make: Callable[[Path], object]) -> Path:
    """Return a folder that was made by `make` in whichever process of this test session came first."""
    base = factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        base = base.parent
    folder, done = base / name, base / f"{name}.done"
    with (base / f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not done.exists():
            shutil.rmtree(folder, ignore_errors=True)  # of one that failed
            folder.mkdir()
            make(folder)
            done.touch()
    return folder
