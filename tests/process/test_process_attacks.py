"""Rows 9, 13, 14: each attack on a running process is found by its rule, and soon."""

from __future__ import annotations

import os
import sys
import time

import pytest

from desk import Desk
from veristep.drill.attack import Attack, family
from veristep.drill.process import Target
from veristep.drill.process import acts_on_a_process as acts

WAITING = ("PROC001", "PROC002", "PROC013")
ON_A_PROCESS = [each for each in family("process") if each.rule not in WAITING]
ONLY_ROOT = ("PROC014",)
SCRIPT = """
import ctypes, os, time
memory = ctypes.create_string_buffer(b"untouched")
open("../pid.new", "w").write(f"{os.getpid()} {ctypes.addressof(memory)}")
os.rename("../pid.new", "../pid")
while not os.path.exists("stop"):
    time.sleep(0.02)
"""
# From the attack to the finding, on a machine that does other things as well; files are looked at every ten
# seconds, processes every second.
SECONDS = 60


def test_every_attack_names_rows_of_the_incident() -> None:
    assert len(family("process")) >= 14
    assert all(each.incident for each in family("process"))


@pytest.mark.long
@pytest.mark.parametrize("attack", ON_A_PROCESS, ids=lambda each: each.name)
def test_an_attack_on_a_running_process_is_found(
    desk: Desk, attack: Attack, request: pytest.FixtureRequest
) -> None:
    if attack.rule in ONLY_ROOT:
        request.getfixturevalue("agent")
    desk.write("script.py", SCRIPT)
    process = desk.start([sys.executable, "script.py"])
    desk.wait_for((desk.folder / "pid").exists)
    time.sleep(1.5)  # a run that is under way
    if attack.rule == "PROC004" and os.environ.get("VERISTEP_AGENT", "") == "":
        # Without the agent a tracer has to stay for a look.
        target = Target.of(desk.folder)
        tracer = acts.trace(target)
        desk.wait_for(lambda: attack.rule in desk.err(), SECONDS)
        acts.let_go(tracer)
    elif attack.rule == "PROC006":
        (desk.folder / "pid").write_text(str(process.pid))
        attack.plant(desk.folder)
    else:
        attack.plant(desk.folder)
    desk.wait_for(lambda: attack.rule in desk.err() or process.poll() is not None, SECONDS)
    (desk.work / "stop").touch()
    acts.go_on_if_there(desk.folder)
    process.wait(60)
    found = desk.findings(attack.rule)
    assert found
    assert found[0].suspects or attack.rule == "PROC005"
