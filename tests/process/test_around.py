"""Rows 13 and 14: who stops, traces, kills; what opens a door, calls out, starts; what lets somebody in."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from desk import Desk
from veristep.core.verdicts import Finding, Severity
from veristep.drill.process import Target
from veristep.drill.process import acts_on_a_process as acts
from veristep.ledger.log import Ledger
from veristep.supervise.process import sockets, table
from veristep.supervise.process.baseline import Baseline
from veristep.supervise.process.ways_in import WaysIn

# Says its number, and waits for as long as it is wanted; not a training, which none of this needs.
SCRIPT = """
import os, sys, time
open("pid", "w").write(str(os.getpid()))
while not os.path.exists("stop"):
    time.sleep(0.02)
"""


def running(desk: Desk, *more: str) -> tuple[subprocess.Popen[bytes], Target]:
    desk.write("script.py", SCRIPT)
    process = desk.start([sys.executable, "script.py", *more])
    desk.wait_for(lambda: (desk.work / "pid").exists() and (desk.work / "pid").read_text())
    return process, Target(int((desk.work / "pid").read_text()), desk.folder)


def told(desk: Desk, rule: str) -> list[Finding]:
    return [each for each in desk.findings(rule) if each.severity is not Severity.INFO]


def stop(desk: Desk, process: subprocess.Popen[bytes]) -> None:
    (desk.work / "stop").touch()
    process.wait(30)


def suspect(finding: Finding, what: str) -> str:
    return next((each.value for each in finding.suspects if each.what == what), "")


def test_what_happens_to_a_process_from_outside_is_found(desk: Desk) -> None:
    process, target = running(desk)
    acts.stop(target)
    desk.wait_for(lambda: "PROC003" in desk.err(), 40)
    acts.go_on(target)
    tracer = acts.trace(target)
    desk.wait_for(lambda: "PROC004" in desk.err(), 40)
    tracer.kill()
    tracer.communicate()
    keys = acts.add_key(Path(desk.environment["HOME"]))
    stop(desk, process)
    (stopped,) = desk.findings("PROC003")
    assert stopped.evidence["pid"] == target.pid
    (traced,) = desk.findings("PROC004")
    assert suspect(traced, "process") == str(tracer.pid)
    assert "tracer.py" in suspect(traced, "command")
    (key,) = desk.findings("PROC010")
    assert key.evidence["path"] == str(keys)
    assert suspect(key, "owner")
    assert desk.checks()["processes"]["processes"]["checked"] >= 1


def test_a_kill_that_nobody_asked_for_is_told(desk: Desk) -> None:
    process, target = running(desk)
    acts.kill_from_another_session(target)
    process.wait(30)
    (found,) = desk.findings("PROC005")
    assert found.evidence["signal"] == "SIGKILL"
    assert found.evidence["pid"] == target.pid


def test_a_signal_names_the_process_that_sent_it(desk: Desk) -> None:
    process, _ = running(desk)
    sender = acts.ask_to_end(Target(process.pid, desk.folder))
    process.wait(30)
    (found,) = desk.findings("PROC006")
    assert found.evidence["signal"] == "SIGTERM"
    assert suspect(found, "process") == str(sender)
    assert "sender.py" in found.summary


def test_a_signal_of_who_started_the_run_is_nobodys_attack(desk: Desk) -> None:
    process, _ = running(desk)
    process.send_signal(signal.SIGTERM)
    process.wait(30)
    assert told(desk, "PROC006") == []
    assert told(desk, "PROC005") == []


OPENS = """
import os, socket, subprocess, sys, time
sys.path.insert(0, {lib!r})
import helper
helper.act({port})
time.sleep(3)
"""


def test_code_on_no_record_that_opens_a_door_or_calls_out_is_named(desk: Desk) -> None:
    with acts.listening() as port:
        path = acts.opens_doors(desk.folder)
        desk.write("script.py", OPENS.format(lib=str(path.parent), port=port))
        done = desk.run([sys.executable, "script.py"])
    assert done.returncode == 0, done.stderr
    found = {str(each.evidence["got"]).split(":")[0]: each for each in desk.findings("PROC013")}
    assert {"socket.bind", "socket.connect", "subprocess.Popen"} <= set(found)
    for each in found.values():
        assert each.evidence["path"] == str(path)
        assert "act" in str(each.evidence["stack"])
    (door,) = desk.findings("PROC007")
    assert door.evidence["pid"]


def test_a_python_child_without_the_guard_is_named(desk: Desk) -> None:
    text = SCRIPT.replace("while", "import subprocess\n"
                          "words = [sys.executable, '-I', '-S', '-c', 'import time; time.sleep(60)']\n"
                          "child = subprocess.Popen(words)\n"
                          "while", 1) + "child.kill()\n"  # fmt: skip
    desk.write("script.py", text)
    process = desk.start([sys.executable, "script.py"])
    desk.wait_for(lambda: "PROC011" in desk.err(), 60)
    stop(desk, process)
    (found,) = desk.findings("PROC011")
    assert "-I -S" in suspect(found, "command")


@pytest.mark.long
def test_a_program_and_a_connection_no_run_before_knew_are_told(desk: Desk) -> None:
    for _ in range(3):
        process, _target = running(desk)
        time.sleep(1.5)
        stop(desk, process)
        (desk.work / "stop").unlink()
        (desk.work / "pid").unlink()
    with acts.listening() as port:
        text = SCRIPT.replace("while", acts.CALLS_OUT.format(port=port) + "while", 1)
        desk.write("script.py", text)
        process = desk.start([sys.executable, "script.py"])
        desk.wait_for(lambda: "PROC008" in desk.err() and "PROC009" in desk.err(), 40)
        stop(desk, process)
    (child,) = told(desk, "PROC008")
    assert "stranger" in str(child.evidence["got"])
    (call,) = told(desk, "PROC009")
    assert call.evidence["port"] == port


def test_an_ordinary_script_raises_nothing(desk: Desk) -> None:
    process, _ = running(desk)
    time.sleep(2)
    stop(desk, process)
    with Ledger.open(desk.ledger) as ledger:
        assert [entry.body for entry in ledger.entries(kind="finding.raised")] == []


@given(st.text(max_size=400))
def test_whatever_stands_in_a_table_is_read_or_left_out(text: str) -> None:
    sockets.parse(text)
    table.parse(text)


def test_a_real_socket_is_read_as_it_is() -> None:
    with acts.listening() as port:
        mine = [each for each in sockets.table(os.getpid()) if each.listens and each.port == port]
        assert [each.scope for each in mine] == ["loopback"]
        assert mine[0].inode in sockets.held(os.getpid())


def test_a_finding_is_not_learned() -> None:
    baseline = Baseline.of([{"habits": [["program", "git"]]}] * 3)
    assert not baseline.unknown(("program", "git"))
    assert baseline.unknown(("program", "nc"))
    assert baseline.body({})["habits"] == [["program", "git"]]


def test_only_bytes_decide_whether_a_file_changed(tmp_path: Path) -> None:
    keys = tmp_path / ".ssh/authorized_keys"
    keys.parent.mkdir()
    keys.write_text("one\n")
    ways = WaysIn([str(keys), str(tmp_path / "units")])
    keys.touch()
    assert ways.look() == []
    keys.write_text("two\n")
    (tmp_path / "units").mkdir()
    (tmp_path / "units/x.service").write_text("[Service]\n")
    assert {each.evidence["path"] for each in ways.look()} == {str(keys), str(tmp_path / "units/x.service")}
    keys.unlink()
    assert [each.evidence["got"] for each in ways.look()] == ["no such file"]


@pytest.mark.parametrize("text", ["", "Pid: x\n", "Name: a"])
def test_a_status_that_is_none_is_no_process(text: str) -> None:
    assert table.parse(text) is None
