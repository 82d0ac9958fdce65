"""Full disks, read-only folders, power cuts: nothing accepted is lost, and the error says what."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from veristep.errors import StorageError
from veristep.ledger.entries import Draft
from veristep.ledger.fsck import fsck
from veristep.ledger.log import Ledger

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

FULL_DISK = """
import resource, sys
from pathlib import Path
from veristep.errors import StorageError
from veristep.ledger.entries import Draft
from veristep.ledger.log import Ledger

with Ledger.open(Path(sys.argv[1])) as ledger:
    limit = resource.getrlimit(resource.RLIMIT_FSIZE)[1]
    accepted = ledger.size()
    resource.setrlimit(resource.RLIMIT_FSIZE, (300_000, limit))
    try:
        while True:
            accepted = ledger.append(Draft("note", {"pad": "x" * 50_000}))[-1].size
    except StorageError as error:
        assert error.hint and str(ledger.path) in error.message, error
    assert ledger.size() == accepted
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
    assert ledger.append(Draft("note", {}))[0].index == accepted
    print(accepted)
"""


def test_a_full_disk_refuses_and_keeps_what_was_accepted(tmp_path: Path) -> None:
    path = tmp_path / "l"
    Ledger.init(path).close()
    result = subprocess.run(
        [sys.executable, "-c", FULL_DISK, str(path)], capture_output=True, text=True, check=False
    )
    assert result.returncode == 0, result.stderr
    accepted = int(result.stdout)
    assert accepted > 1
    with Ledger.open(path) as ledger:
        assert ledger.size() == accepted + 1 == len(list(ledger.entries()))
    assert fsck(path).problems == ()


KILLED = """
import os, sys
from pathlib import Path
from veristep.ledger.entries import Draft
from veristep.ledger.log import Ledger

ledger = Ledger.open(Path(sys.argv[1]))
ledger.append(Draft("note", {"n": 1}), Draft("note", {"n": 2}))
os._exit(9)
"""


@pytest.fixture
def killed(tmp_path: Path) -> Path:
    """A ledger whose writer died with its SQLite log still beside the database."""
    path = tmp_path / "l"
    Ledger.init(path).close()
    assert subprocess.run([sys.executable, "-c", KILLED, str(path)], check=False).returncode == 9
    assert (path / "ledger.db-wal").stat().st_size > 0
    return path


def test_a_killed_writer_loses_nothing(killed: Path) -> None:
    assert fsck(killed).problems == ()
    with Ledger.open(killed) as ledger:
        assert [e.body["n"] for e in ledger.entries()] == [1, 2]


@pytest.fixture
def read_only(killed: Path, tmp_path: Path) -> Iterator[Path]:
    """A read-only mount: what root, who runs tests in containers, cannot write to either."""
    mount = tmp_path / "ro"
    mount.mkdir()
    commands = (
        ["mount", "--bind", str(killed), str(mount)],
        ["mount", "-o", "remount,bind,ro", str(mount)],
    )
    tools = shutil.which("mount") and shutil.which("umount")
    if not tools or os.geteuid() or subprocess.run(commands[0], check=False).returncode:
        pytest.skip("needs the right to mount")
    try:
        if subprocess.run(commands[1], check=False).returncode:
            pytest.skip("needs the right to mount read-only")
        yield mount
    finally:
        subprocess.run(["umount", str(mount)], check=True)


@pytest.mark.parametrize("log", ["with a SQLite log beside it", "closed cleanly"])
def test_a_read_only_ledger_can_be_read_and_checked(read_only: Path, killed: Path, log: str) -> None:
    if log == "closed cleanly":
        Ledger.open(killed).close()
        assert not (killed / "ledger.db-wal").exists()
    else:
        (killed / "ledger.db-shm").unlink()
    with Ledger.open(read_only) as ledger:
        assert [e.body["n"] for e in ledger.entries()] == [1, 2]
        assert len(ledger.inclusion_proof(1)) == 1
        with pytest.raises(StorageError, match="read-only"):
            ledger.append(Draft("note", {}))
    assert fsck(read_only).problems == ()


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    blocker = tmp_path / "file"
    blocker.write_text("in the way")
    with pytest.raises(StorageError, match="cannot create a ledger"):
        Ledger.init(blocker / "l")
