"""Memory written through its file."""

from __future__ import annotations

from pathlib import Path

from veristep.drill.attack import Attack
from veristep.drill.process import Target
from veristep.drill.process import acts_on_a_process as acts


def plant(folder: Path) -> Path:
    """Carry it out on the process that `Target.of` finds."""
    target = Target.of(folder)
    acts.write_memory_file(target, target.address)
    return target.path


ATTACK = Attack(
    "write to /proc/PID/mem",
    "writes seven bytes into the training's memory through /proc/PID/mem",
    "PROC014",
    plant,
    incident=(9,),
)
