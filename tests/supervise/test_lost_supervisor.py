from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from desk import Desk
from veristep.ledger.log import Ledger
from veristep.replay.recorded import RecordedRun
from veristep.supervise import recover


def test_training_finishes_when_its_supervisor_is_killed(desk: Desk) -> None:
    run = _lose_supervisor(desk, "150", "0.01")
    assert desk.out().splitlines()[-1] == "trained"
    assert desk.err() == ""
    stream = run.streams["0"]
    assert sorted(stream.steps) == list(range(150))
    assert run.closed is None
    assert run.recovered_lines > 0
    assert run.unsealed_lines == 0
    assert any("recovered and sealed late" in gap for gap in run.gaps)
    assert not [gap for gap in run.gaps if "lines lost" in gap or "never told" in gap]
    with Ledger.open(desk.ledger) as ledger:
        size = ledger.size()
        assert recover.recover_lost_runs(ledger) == []
        assert ledger.size() == size


def test_what_was_recovered_is_audited_like_another_run_and_guarded_by_the_ledger(desk: Desk) -> None:
    run = _lose_supervisor(desk, "60", "0.01")
    report = desk.fsck()
    assert not report.problems, report.problems
    done = _audit(desk, "--steps", "20:21")
    assert done.returncode == 0, done.stdout + done.stderr
    assert b"1 in the record" in done.stdout
    parts = _body(run)["parts"]
    assert {part["source"] for part in parts} == {"log", "spool"}
    spooled = _object(desk, parts[-1]["object"])
    spooled.chmod(0o600)
    spooled.write_bytes(spooled.read_bytes().replace(b'"loss":', b'"loss" :', 1))
    assert desk.fsck().problems
    assert b"tampered" in _audit(desk).stderr


def test_a_run_is_recovered_while_its_training_goes_on_and_again_at_its_end(desk: Desk) -> None:
    process = desk.start([sys.executable, "train.py", "1000000", "0.01"])
    desk.wait_for(lambda: "\n50 " in desk.out())
    process.kill()
    process.wait()
    desk.wait_for(lambda: "\n150 " in desk.out())
    first = desk.recorded()
    assert 50 < first.steps < 1000
    desk.write("stop", "")
    desk.wait_for(lambda: "trained" in desk.out())
    time.sleep(1.0)
    again = desk.recorded()
    assert again.steps > first.steps
    assert len(again.recovered) == 2
    assert sorted(again.streams["0"].steps) == list(range(again.steps))


def test_a_run_that_goes_on_is_left_alone(desk: Desk) -> None:
    # Its first line is there at once; a command that says nothing is heard of when it is first sealed.
    process = desk.start([sys.executable, "-c", "import time; time.sleep(30)"])
    desk.wait_for(lambda: any(desk.ledger.glob("runs/*/log/*.jsonl")))
    assert desk.recorded().recovered == []
    process.send_signal(signal.SIGTERM)
    process.wait(20)
    assert desk.recorded().closed is not None


def test_steps_that_died_with_training_and_supervisor_are_counted(desk: Desk) -> None:
    process = desk.start([sys.executable, "train.py", "1000000"])
    desk.wait_for(lambda: "\n300 " in desk.out())
    process.send_signal(signal.SIGSTOP)
    child = _child_of(process.pid)
    time.sleep(0.3)
    os.kill(child, signal.SIGKILL)
    process.kill()
    process.wait()
    run = desk.recorded()
    told = run.steps
    untold = _body(run)["untold"]
    printed = len(desk.out().splitlines())
    assert untold["0"] + told == pytest.approx(printed, abs=1)
    assert any("never told" in gap for gap in run.gaps)


def test_a_forged_spool_is_refused(desk: Desk) -> None:
    process = desk.start([sys.executable, "train.py", "200", "0.01"])
    desk.wait_for(lambda: "\n20 " in desk.out())
    process.kill()
    process.wait()
    desk.wait_for(lambda: "trained" in desk.out())
    time.sleep(1.0)
    spool = next(desk.ledger.glob("runs/*/spool/0.jsonl"))
    lines = spool.read_bytes().splitlines(keepends=True)
    lines[-10] = lines[-10].replace(b'"rng":"', b'"rng":"0')
    spool.write_bytes(b"".join(lines))
    run = desk.recorded()
    assert any("contradict what was received" in gap for gap in run.gaps)
    assert 150 < run.steps < 200


def _lose_supervisor(desk: Desk, *arguments: str) -> RecordedRun:
    process = desk.start([sys.executable, "train.py", *arguments])
    desk.wait_for(lambda: "\n20 " in desk.out())
    child = _child_of(process.pid)
    process.kill()
    assert process.wait() == -signal.SIGKILL
    desk.wait_for(lambda: "trained" in desk.out() and not _alive(child))
    return desk.recorded()


def _body(run: RecordedRun) -> Mapping[str, Any]:
    return run.recovered[0].body


def _child_of(pid: int) -> int:
    return int(Path(f"/proc/{pid}/task/{pid}/children").read_text().split()[0])


def _alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def _object(desk: Desk, name: str) -> Path:
    return desk.ledger / "objects" / name[7:9] / name[7:]


def _audit(desk: Desk, *options: str) -> subprocess.CompletedProcess[bytes]:
    return desk.bare([sys.executable, "-m", "veristep.cli.main", "audit", *options])
