"""Row 13: with the node agent the kernel names who killed, stopped, traced or wrote."""

from __future__ import annotations

import os
import signal
import struct
import subprocess
import sys
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from desk import Desk
from veristep.core.verdicts import Finding
from veristep.drill.process import Target
from veristep.drill.process import acts_on_a_process as acts
from veristep.errors import UsageError
from veristep.supervise.node import connector
from veristep.supervise.node.agent import Agent
from veristep.supervise.node.audit import Assembler, rules
from veristep.supervise.node.families import Families
from veristep.supervise.process.node import Node

SCRIPT = """
import ctypes, os, sys, time
memory = ctypes.create_string_buffer(b"untouched")
with open("result.pt", "wb") as file:
    file.write(b"weights")
open("pid.new", "w").write(f"{os.getpid()} {ctypes.addressof(memory)}")
os.rename("pid.new", "pid")
while not os.path.exists("stop"):
    time.sleep(0.02)
print(memory.value.decode())
"""


def begin(desk: Desk) -> tuple[subprocess.Popen[bytes], Target, int]:
    desk.write("script.py", SCRIPT)
    process = desk.start([sys.executable, "script.py"])
    desk.wait_for((desk.work / "pid").exists)
    pid, address = (int(word) for word in (desk.work / "pid").read_text().split())
    return process, Target(pid, desk.folder), address


def suspect(finding: Finding, what: str) -> str:
    return next((each.value for each in finding.suspects if each.what == what), "")


def test_who_stopped_traced_wrote_and_killed_is_named(desk: Desk, agent: str) -> None:
    process, target, address = begin(desk)
    stopper = acts.stop(target)
    acts.go_on(target)
    tracer = acts.trace(target)
    tracer.kill()
    tracer.communicate()
    writer = acts.write_memory(target, address)
    other = acts.write_memory_file(target, address)
    desk.wait_for(lambda: desk.err().count("PROC014") >= 2, 40)
    killer = acts.kill_from_another_session(target)
    process.wait(30)
    (stopped,) = desk.findings("PROC003")
    assert suspect(stopped, "process") == str(stopper)
    (traced,) = desk.findings("PROC004")
    assert suspect(traced, "process") == str(tracer.pid)
    wrote = desk.findings("PROC014")
    assert {suspect(each, "process") for each in wrote} == {str(writer), str(other)}
    assert {each.evidence["got"] for each in wrote} == {"process_vm_writev", f"/proc/{target.pid}/mem"}
    (killed,) = desk.findings("PROC005")
    assert suspect(killed, "process") == str(killer)
    assert suspect(killed, "user") == "root"
    assert killed.evidence["signal"] == "SIGKILL"
    assert desk.checks()["processes"]["facilities of the node agent"]["checked"] == 4


def test_who_wrote_a_file_of_the_run_is_named(desk: Desk, agent: str) -> None:
    desk.write("train.py", WRITES)
    process = desk.start([sys.executable, "train.py"])
    desk.wait_for((desk.work / "saved").exists, 60)
    time.sleep(3)
    path = desk.work / "model.pt"
    code = f"import time; f = open({str(path)!r}, 'ab'); f.write(b'x'); f.close(); time.sleep(3)"
    writer = subprocess.Popen([sys.executable, "-S", "-c", code], start_new_session=True)
    writer.wait()
    desk.wait_for(lambda: "PROC015" in desk.err(), 30)
    (desk.work / "stop").touch()
    process.wait(30)
    (found,) = desk.findings("PROC015")
    assert found.evidence["path"] == str(path)
    assert suspect(found, "process") == str(writer.pid)


WRITES = """
import os, time, torch
model = torch.nn.Linear(2, 2)
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
for _ in range(3):
    model(torch.ones(1, 2)).sum().backward()
    optimizer.step()
torch.save(model.state_dict(), "model.pt")
for _ in range(3):
    model(torch.ones(1, 2)).sum().backward()
    optimizer.step()
open("saved", "w").close()
while not os.path.exists("stop"):
    time.sleep(0.02)
"""


def test_a_process_that_kills_itself_is_nobodys_victim(desk: Desk, agent: str) -> None:
    desk.write("script.py", "import os, time\ntime.sleep(1)\nos.kill(os.getpid(), 9)\n")
    done = desk.run([sys.executable, "script.py"])
    assert done.returncode == -signal.SIGKILL
    assert desk.findings("PROC005") == []


def test_a_run_is_told_of_its_own_processes_only(tmp_path: Path, agent: str) -> None:
    node = Node(agent)
    assert node.present
    stranger = subprocess.Popen(["sleep", "30"])  # a child of ours
    apart = subprocess.run(
        [sys.executable, "-c", FAR], capture_output=True, text=True, check=True, timeout=30
    )
    far = int(apart.stdout)
    os.kill(far, signal.SIGUSR1)
    stranger.kill()
    stranger.wait()
    time.sleep(1)
    targets = {event.get("target") for event in node.events()}
    assert far not in targets
    node.close()


# A process that is nobody's descendant here: it is handed to the first of the machine.
FAR = """
import os, subprocess, sys
child = subprocess.Popen(["sh", "-c", "sleep 20 & echo $!"], stdout=subprocess.PIPE, start_new_session=True)
print(int(child.stdout.readline()))
"""


def test_a_socket_that_is_not_roots_is_no_agent(tmp_path: Path) -> None:
    assert not Node(str(tmp_path / "nothing")).present


@pytest.mark.skipif(os.geteuid() == 0, reason="root may")
def test_the_agent_wants_root(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="root"):
        Agent(str(tmp_path / "socket"), print)


RECORDS = [
    (1300, 'audit(1795638608.906:4): arch=c000003e syscall=62 success=yes exit=0 a0=1247 a1=9 a2=0 a3=0 '  # noqa: ISC004
           'ppid=4675 pid=4684 auid=1001 uid=1000 gid=0 comm="kill" exe="/usr/bin/kill" key="veristep"'),
    (1318, 'audit(1795638608.906:4): opid=4679 oauid=-1 ouid=0 oses=-1 ocomm="sleep"'),
    (1327, "audit(1795638608.906:4): proctitle=6B696C6C"),
    (1320, "audit(1795638608.906:4): "),
]  # fmt: skip


def test_a_kill_is_put_together_from_its_records() -> None:
    assembler = Assembler(machine="x86_64")
    events = [assembler.line(kind, text) for kind, text in RECORDS]
    assert events[:3] == [None, None, None]
    event = events[3]
    assert event is not None
    assert (event.act, event.number, event.sender, event.uid, event.login) == (
        "signal",
        9,
        4684,
        1000,
        1001,
    )
    assert event.targets == (4679,)
    assert event.time == pytest.approx(1795638608.906)


def test_records_of_other_rules_are_none_of_ours() -> None:
    assembler = Assembler(key="another", machine="x86_64")
    assert [assembler.line(kind, text) for kind, text in RECORDS] == [None] * 4


@given(st.lists(st.tuples(st.sampled_from([1300, 1318, 1320, 1]), st.text(max_size=200))))
def test_whatever_the_kernel_says_is_read_or_left_out(records: list[tuple[int, str]]) -> None:
    assembler = Assembler(machine="x86_64")
    for kind, text in records:
        assembler.line(kind, text)


@given(st.binary(max_size=120))
def test_whatever_the_connector_sends_is_read_or_left_out(data: bytes) -> None:
    connector.parse(data)


def test_a_rule_has_the_length_the_kernel_wants() -> None:
    for rule in rules("x86_64"):
        data = rule.to_bytes("veristep")
        assert len(data) == (3 + 64 + 3 * 64) * 4 + 4 + len("veristep")
        assert struct.unpack_from("=3I", data)[:2] == (4, 2)
    assert rules("riscv64") == []


def test_a_number_that_is_used_again_belongs_to_nobody() -> None:
    families = Families()
    families.add(10, [11])
    families.forked(11, 12)
    assert families.of(12) == 10
    families.forked(99, 12)
    assert families.of(12) == 0
    families.forget(10)
    assert families.of(11) == 0
