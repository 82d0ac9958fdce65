"""A kill by a stranger."""

from __future__ import annotations

from pathlib import Path

from veristep.drill.attack import Attack
from veristep.drill.process import Target
from veristep.drill.process import acts_on_a_process as acts


def plant(folder: Path) -> Path:
    """Carry it out on the process that `Target.of` finds."""
    target = Target.of(folder)
    acts.kill_from_another_session(target)
    return target.path


ATTACK = Attack(
    "kill from another session",
    "sends SIGKILL to the training from a process of another session",
    "PROC005",
    plant,
    incident=(13,),
)
