"""Memory written by a system call."""

from __future__ import annotations

from pathlib import Path

from veristep.drill.attack import Attack
from veristep.drill.process import Target
from veristep.drill.process import acts_on_a_process as acts


def plant(folder: Path) -> Path:
    """Carry it out on the process that `Target.of` finds."""
    target = Target.of(folder)
    acts.write_memory(target, target.address)
    return target.path


ATTACK = Attack(
    "process_vm_writev",
    "writes seven bytes into the training's memory by process_vm_writev",
    "PROC014",
    plant,
    incident=(9,),
)
