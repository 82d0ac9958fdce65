"""What a policy does about a finding: it holds a run, ends it, keeps quiet; by default it does nothing."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from desk import Desk
from veristep.ledger.log import Ledger
from veristep.supervise import holding

# A pickle that would call the shell is loaded; the script goes on counting, in a worker of its own too.
SCRIPT = """\
import os, pickle, signal, subprocess, sys, time
if "stubborn" in sys.argv:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
worker = subprocess.Popen([sys.executable, "count.py", "worker"])
class Payload:
    def __reduce__(self):
        return os.system, ("touch fired",)
try:
    pickle.loads(pickle.dumps(Payload()))
except Exception as error:
    print("refused", flush=True)
exec(open("count.py").read())
worker.wait()
"""
COUNT = """\
import os, sys, time
for at in range(600):
    with open(sys.argv[1] if len(sys.argv) > 1 else "script", "w") as file:
        file.write(str(at))
    time.sleep(0.05)
    if os.path.exists("enough"):
        break
"""


def begin(desk: Desk, policy: str, *words: str) -> subprocess.Popen[bytes]:
    desk.write("veristep.toml", f'[rules]\nENV = "off"\n{policy}')
    desk.write("train.py", SCRIPT)
    desk.write("count.py", COUNT)
    return desk.start([sys.executable, "train.py", *words])


def until(what: Callable[[], object], seconds: float = 60.0) -> None:
    deadline = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < deadline, "it did not come to that"
        time.sleep(0.05)


def entries(desk: Desk, kind: str) -> int:
    if not (desk.ledger / "veristep-ledger.json").exists():
        return 0
    with Ledger.open(desk.ledger) as ledger:
        return len(list(ledger.entries(kind=kind)))


def counts(desk: Desk) -> list[str]:
    found = [desk.work / "stubborn", desk.work / "script", desk.work / "worker"]
    return [each.read_text() for each in found if each.exists()]


def stands_still(desk: Desk) -> bool:
    before = counts(desk)
    time.sleep(0.4)
    return counts(desk) == before


def resume(desk: Desk, *words: str) -> subprocess.CompletedProcess[bytes]:
    return desk.bare([sys.executable, "-m", "veristep.cli.main", "resume", *words])


def held(desk: Desk, process: subprocess.Popen[bytes]) -> None:
    until(lambda: entries(desk, holding.PAUSED) or process.poll() is not None)
    until(lambda: stands_still(desk))


def test_a_run_is_held_until_a_person_lets_it_go_on(desk: Desk) -> None:
    process = begin(desk, 'LOAD001 = "pause"\n')
    held(desk, process)
    assert counts(desk)
    assert process.poll() is None
    assert b"veristep resume" in (desk.folder / "err").read_bytes()
    shown = desk.bare([sys.executable, "-m", "veristep.cli.main", "show"]).stdout
    assert b"by the policy, for LOAD001; veristep resume" in shown
    done = resume(desk, "--reason", "looked at it")
    assert done.returncode == 0, done.stderr
    until(lambda: not stands_still(desk))
    (desk.work / "enough").touch()
    assert process.wait(60) == 0
    # Pausing a load refuses it first: by the time the run is held it would have run.
    assert not (desk.work / "fired").exists()
    assert entries(desk, holding.RESUMED) == 1
    again = resume(desk)
    assert again.returncode == 2
    assert b"is not held" in again.stderr


def test_what_is_held_ends_when_its_scheduler_asks_it_to(desk: Desk) -> None:
    process = begin(desk, 'LOAD001 = "pause"\n')
    held(desk, process)
    process.send_signal(signal.SIGTERM)
    assert process.wait(60) == -signal.SIGTERM


def test_what_is_held_is_woken_when_its_supervisor_is_gone(desk: Desk) -> None:
    process = begin(desk, 'LOAD001 = "pause"\n')
    held(desk, process)
    process.kill()
    process.wait()
    assert stands_still(desk)
    done = resume(desk)
    assert b"2 of 2 processes were woken here" in done.stdout, done.stderr
    until(lambda: not stands_still(desk))
    (desk.work / "enough").touch()
    until(lambda: stands_still(desk))


def test_a_run_is_ended_as_a_scheduler_would(desk: Desk) -> None:
    process = begin(desk, 'LOAD001 = "stop"\n')
    (desk.work / "worker").touch()
    assert process.wait(60) == -signal.SIGTERM
    assert entries(desk, holding.STOPPED) == 1
    (desk.work / "enough").touch()


def test_a_run_that_does_not_end_when_it_is_asked_to_is_ended(desk: Desk) -> None:
    process = begin(desk, 'LOAD001 = "stop"\n[stop]\ngrace_seconds = 1\n', "stubborn")
    assert process.wait(60) == -signal.SIGKILL
    with Ledger.open(desk.ledger) as ledger:
        raised = [each.body for each in ledger.entries(kind="finding.raised")]
    assert not [
        each for each in raised if str(each["rule"]).startswith("PROC") and each["severity"] != "info"
    ]
    assert stands_still(desk)


def test_a_quiet_policy_tells_people_and_not_the_terminal(desk: Desk) -> None:
    tell = desk.write("tell", '#!/bin/sh\necho "$@" > people; cat > told.$$\n')
    tell.chmod(0o755)
    table = '[tell]\nquiet = true\npeople = ["a@example.org", "b"]\ncommand = ["./tell", "--to"]\n'
    (desk.work / "enough").touch()
    process = begin(desk, f'LOAD001 = "alert"\n{table}')
    assert process.wait(60) == 0
    said = (desk.folder / "err").read_text()
    assert "LOAD001" not in said
    assert (desk.work / "people").read_text() == "--to a@example.org b\n"
    told = [json.loads(each.read_text()) for each in desk.work.glob("told.*")]
    assert ("LOAD001", "veristep/1") in [(each["rule"], each["schema"]) for each in told]
    assert [each.rule for each in desk.findings("LOAD001")] == ["LOAD001"]


def test_that_people_cannot_be_told_is_a_gap_and_costs_the_run_nothing(desk: Desk) -> None:
    (desk.work / "enough").touch()
    process = begin(desk, 'LOAD001 = "alert"\n[tell]\ncommand = ["./nothing-there"]\n')
    assert process.wait(60) == 0
    shown = desk.bare([sys.executable, "-m", "veristep.cli.main", "show"]).stdout
    assert b"people were not told" in shown


def test_a_policy_that_is_changed_meanwhile_does_not_hold_and_is_told(desk: Desk) -> None:
    process = begin(desk, "")
    until((desk.work / "script").exists)
    desk.write("veristep.toml", '[rules]\nENV = "off"\nLOAD = "off"\n')
    (desk.work / "enough").touch()
    assert process.wait(60) == 0
    (finding,) = desk.findings("LOG001")
    assert finding.evidence["path"] == str(desk.work / "veristep.toml")
    assert '+LOAD = "off"' in finding.evidence["diff"]  # type: ignore[operator]
    assert {"file", "owner", "changed"} <= {each.what for each in finding.suspects}
    assert (entries(desk, "policy.started"), entries(desk, "policy.changed")) == (1, 1)


def test_an_ignore_that_has_expired_is_a_note_of_the_run(desk: Desk) -> None:
    (desk.work / "enough").touch()
    ignore = '[[ignore]]\nrule = "LOAD001"\nreason = "ours"\nexpires = 2020-01-31\n'
    assert begin(desk, ignore).wait(60) == 0
    (note,) = desk.findings("LOG002")
    assert "2020-01-31" in note.summary
    (finding,) = desk.findings("LOAD001")
    assert finding.evidence["ignore_expired"] == "ours; expired on 2020-01-31"


@pytest.mark.long
def test_a_run_is_held_before_it_starts(desk: Desk) -> None:
    desk.write("veristep.toml", '[rules]\nENV = "record"\nENV012 = "pause"\n')
    desk.write("script.py", "open('started', 'w').close()\n")
    process = desk.start([sys.executable, "script.py"], env={"PYTHONPLATLIBDIR": "lib"})
    until(lambda: entries(desk, holding.PAUSED))
    time.sleep(0.5)
    assert not (desk.work / "started").exists()
    assert resume(desk).returncode == 0
    assert process.wait(60) == 0
    assert (desk.work / "started").exists()


def test_numbers_of_processes_that_are_somebody_elses_by_now_are_left_alone(tmp_path: Path) -> None:
    other = subprocess.Popen([sys.executable, "-I", "-S", "-c", "import time; time.sleep(30)"])
    try:
        os.kill(other.pid, signal.SIGSTOP)
        until(lambda: holding._state(other.pid) == "T")
        assert holding.wake({other.pid: holding._started(other.pid) + 1, 2**22 + 5: 1}) == 0
        assert holding._state(other.pid) == "T"
        assert holding.wake({other.pid: holding._started(other.pid)}) == 1
    finally:
        other.kill()
        other.wait()


def test_what_the_policy_does_to_a_run_is_no_finding_about_its_processes(desk: Desk) -> None:
    process = begin(desk, 'LOAD001 = "pause"\n')
    held(desk, process)
    time.sleep(4)
    resume(desk)
    (desk.work / "enough").touch()
    assert process.wait(60) == 0
    assert desk.findings("PROC003") == []
