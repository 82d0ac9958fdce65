from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from desk import Desk

TALKS = ["bash", "-c", "echo out; echo err >&2; exit 7"]


def test_a_file_in_the_ledgers_place_leaves_the_command_bare(desk: Desk) -> None:
    desk.ledger.write_text("not a folder")
    _assert_ran_bare(desk)


def test_a_read_only_ledger_leaves_the_command_bare(desk: Desk) -> None:
    assert desk.run(["true"]).returncode == 0
    folder = str(desk.ledger)
    if subprocess.run(["mount", "--bind", folder, folder], check=False, capture_output=True).returncode:
        pytest.skip("mounting is not permitted here")
    try:
        subprocess.run(["mount", "-o", "remount,bind,ro", folder], check=True, capture_output=True)
        _assert_ran_bare(desk)
    finally:
        subprocess.run(["umount", folder], check=True)


def test_a_ledger_of_another_version_leaves_the_command_bare(desk: Desk) -> None:
    assert desk.run(["true"]).returncode == 0
    file = desk.ledger / "veristep-ledger.json"
    value = json.loads(file.read_text())
    file.chmod(0o600)
    file.write_text(json.dumps({**value, "format": "veristep-ledger/9"}))
    _assert_ran_bare(desk)


def test_no_room_for_the_boot_folder_leaves_the_command_bare(desk: Desk) -> None:
    done = desk.run(TALKS, env={"VERISTEP_LEDGER": "/proc/nowhere"})
    assert done.returncode == 7
    assert done.stdout == b"out\n"


@pytest.fixture
def small_disk(desk: Desk) -> Iterator[Path]:
    """The ledger on a file system of a few megabytes."""
    desk.ledger.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=3m", "veristep-test", str(desk.ledger)]
    if subprocess.run(mount, check=False, capture_output=True).returncode:
        pytest.skip("mounting is not permitted here")
    try:
        yield desk.ledger
    finally:
        subprocess.run(["umount", "-l", str(desk.ledger)], check=True)


def test_a_full_disk_does_not_reach_the_training(desk: Desk, small_disk: Path) -> None:
    bare = desk.bare([sys.executable, "train.py", "1500"])
    began = time.monotonic()
    recorded = desk.run([sys.executable, "train.py", "1500"])
    assert recorded.returncode == 0
    assert recorded.stdout == bare.stdout
    assert time.monotonic() - began < 15
    assert recorded.stderr.count(b"veristep:") <= 2, recorded.stderr
    assert recorded.stderr or desk.recorded().gaps
    # What the disk took stands; only what it did not take is missing.
    assert not desk.fsck().problems, desk.fsck().problems


def test_a_disk_that_was_full_for_a_while_leaves_a_gap_and_a_whole_log(
    desk: Desk, small_disk: Path
) -> None:
    process = desk.start([sys.executable, "train.py", "1000000", "0.005"])
    desk.wait_for(lambda: "\n30 " in desk.out())
    filler = small_disk / "lost+found"
    _fill(filler)
    steps = len(desk.out().splitlines())
    desk.wait_for(lambda: len(desk.out().splitlines()) > steps + 200)
    filler.unlink()
    steps = len(desk.out().splitlines())
    desk.wait_for(lambda: len(desk.out().splitlines()) > steps + 50)
    desk.write("stop", "")
    assert process.wait(15) == 0
    assert desk.out().endswith("trained\n")
    assert desk.err().count("veristep:") <= 2
    run = desk.recorded()
    assert run.closed is not None
    assert run.gaps
    assert max(run.streams["0"].steps) == len(desk.out().splitlines()) - 2
    report = desk.fsck()
    assert not report.problems, report.problems


def _fill(path: Path) -> None:
    with path.open("wb", buffering=0) as file:
        size = 1 << 20
        while size:
            try:
                file.write(os.urandom(size))
            except OSError:
                size //= 2


def _assert_ran_bare(desk: Desk) -> None:
    done = desk.run(TALKS)
    assert done.returncode == 7
    assert done.stdout == b"out\n"
    ours, own = done.stderr.splitlines()
    assert own == b"err"
    assert ours.startswith(b"veristep: not recording: ")
    assert ours.endswith(b"the command runs without us")
