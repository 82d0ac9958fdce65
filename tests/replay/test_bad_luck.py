"""What goes wrong while a replay runs ends in a verdict that says what, and nothing is lost by it."""

from __future__ import annotations

import json
import os
import resource
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any
from urllib.request import urlopen

import pytest

from lab import Lab, python
from veristep.ledger.fsck import fsck
from veristep.ledger.log import Ledger
from veristep.replay.causes import DISK_FULL, NEEDS_NETWORK
from veristep.replay.sandbox import bubblewrap

# What goes wrong lies in a file that was not there in the run, and that whoever audits shows to a replay.
SCRIPT = """
import os, signal, subprocess, sys, time, urllib.request
if os.path.exists(sys.argv[1]):
    exec(open(sys.argv[1]).read())
import torch
torch.manual_seed(0)
model = torch.nn.Linear(4, 4)
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
for step in range(8):
    optimizer.zero_grad()
    model(torch.randn(8, 4)).square().mean().backward()
    optimizer.step()
"""
STUBBORN = """
for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP): signal.signal(number, signal.SIG_IGN)
code = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); time.sleep(600)"
subprocess.Popen([sys.executable, "-c", code, {word!r}], start_new_session=True)
time.sleep(600)
"""
WAITING = "time.sleep(600)"
FILLING = "open('scratch.bin', 'wb').write(b'0' * (32 << 20))"
DOWNLOADING = "urllib.request.urlopen({address!r}, timeout=10).read()"


@dataclass(frozen=True)
class Struck:
    """A run, in a ledger of the test's own, and something that will go wrong in each of its replays."""

    lab: Lab
    act: Path

    @property
    def words(self) -> tuple[str, ...]:
        """What an audit is asked for."""
        return ("last", "--steps", "0:4", "--data", str(self.act))


@pytest.fixture(scope="module")
def lucky(tmp_path_factory: pytest.TempPathFactory) -> Lab:
    """A run in which nothing went wrong."""
    lab = Lab(tmp_path_factory.mktemp("lucky"))
    (lab.work / "train.py").write_text(SCRIPT, encoding="utf-8")
    lab.record(python("train.py", str(lab.folder / "act.py")), interval=4)
    return lab


@pytest.fixture
def strike(
    lucky: Lab, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Callable[[str], Struck]]:
    """Have replays of the run do something before they train."""
    act = lucky.folder / "act.py"
    own = lucky.copy(tmp_path)
    monkeypatch.setenv("XDG_STATE_HOME", own.environment["XDG_STATE_HOME"])

    def write(text: str) -> Struck:
        act.write_text(text, encoding="utf-8")
        return Struck(own, act)

    yield write
    act.unlink(missing_ok=True)


def unverified(lab: Lab, verdict: dict[str, Any]) -> str:
    """Return the reason of a verdict that is unverified, said in the ledger too, which is whole."""
    assert (verdict["verdict"], verdict["findings"]) == ("unverified", [])
    assert verdict["coverage"]["steps_checked"] == 0
    with Ledger.open(lab.ledger) as ledger:
        (told,) = [entry.body for entry in ledger.entries(kind="audit.done")]
    assert (told["verdict"], told["reason"]) == ("unverified", verdict["reason"])
    report = fsck(lab.ledger)
    assert not report.problems, report.problems
    return str(verdict["reason"])


def processes_with(word: str) -> list[int]:
    """Return the processes that were given a word of their own."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            if word.encode() in (folder / "cmdline").read_bytes().split(b"\0"):
                found.append(int(folder.name))
    return found


def test_a_replay_that_heeds_no_signal_is_ended_in_time_with_all_it_started(
    strike: Callable[[str], Struck],
) -> None:
    word = f"stubborn-{os.getpid()}"
    struck = strike(STUBBORN.format(word=word))
    began = time.monotonic()
    verdict = struck.lab.audit(*struck.words, "--time-limit", "4", status=3)
    assert time.monotonic() - began < 20
    reason = unverified(struck.lab, verdict)
    assert "took longer than 4 s and was ended" in reason
    assert "--time-limit gives it longer" in reason
    assert processes_with(word) == []


def test_a_replay_that_somebody_killed_is_told_with_its_signal(strike: Callable[[str], Struck]) -> None:
    struck = strike(WAITING)
    options = ("--pretend", "0", "--conditions-budget", "0", "--json")
    with struck.lab.started("audit", *struck.words, *options) as auditing:
        deadline = time.monotonic() + 60
        # The sandbox names the script's words too, and the auditor those of its own.
        while not (found := [each for each in processes_with(str(struck.act)) if _trains(each)]):
            assert time.monotonic() < deadline
            time.sleep(0.1)
        os.kill(found[-1], signal.SIGKILL)
        out, err = auditing.communicate(timeout=60)
    assert auditing.returncode == 3, err
    reason = unverified(struck.lab, json.loads(out))
    assert "was killed (signal 9, SIGKILL)" in reason
    assert "audit again" in reason


def _trains(pid: int) -> bool:
    with suppress(OSError):
        words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
        return b"python" in words[0] and words[1] == b"train.py"
    return False


@pytest.fixture
def address() -> Iterator[str]:
    """A server of this machine that answers whoever can reach it."""
    with ThreadingHTTPServer(("127.0.0.1", 0), SimpleHTTPRequestHandler) as server:
        thread = Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}/"
        server.shutdown()
        thread.join()


@pytest.mark.skipif(bubblewrap.usable() is None, reason="other sandboxes leave the network there")
def test_a_script_that_needs_the_network_is_told_to_fetch_before_it_runs(
    strike: Callable[[str], Struck], address: str
) -> None:
    urlopen(address, timeout=10).close()
    struck = strike(DOWNLOADING.format(address=address))
    reason = unverified(struck.lab, struck.lab.audit(*struck.words, status=3))
    assert reason.startswith(NEEDS_NETWORK)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of a few megabytes."""
    folder = tmp_path / "small"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=8m", "veristep-test", str(folder)]
    if subprocess.run(mount, check=False, capture_output=True).returncode:
        pytest.skip("mounting is not permitted here")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


def test_scratch_that_is_full_is_told_and_more_of_it_is_all_that_it_takes(
    strike: Callable[[str], Struck], small_disk: Path
) -> None:
    struck = strike(FILLING)
    verdict = struck.lab.audit(*struck.words, status=3, extra={"TMPDIR": str(small_disk)})
    assert unverified(struck.lab, verdict).startswith(DISK_FULL)
    assert not list(small_disk.iterdir())
    assert struck.lab.audit(*struck.words)["verdict"] == "verified"


def test_a_bound_on_what_may_be_written_is_told_as_a_full_disk(strike: Callable[[str], Struck]) -> None:
    struck = strike(FILLING)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (16 << 20, hard))
    try:
        verdict = struck.lab.audit(*struck.words, status=3)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert unverified(struck.lab, verdict).startswith(DISK_FULL)
