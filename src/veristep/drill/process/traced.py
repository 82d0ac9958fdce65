"""A debugger, attached without a sound."""

from __future__ import annotations

from pathlib import Path

from veristep.drill.attack import Attack
from veristep.drill.process import Target
from veristep.drill.process import acts_on_a_process as acts


def plant(folder: Path) -> Path:
    """Carry it out on the process that `Target.of` finds."""
    target = Target.of(folder)
    acts.let_go(acts.trace(target))
    return target.path


ATTACK = Attack(
    "attached debugger",
    "seizes the training by ptrace without stopping it",
    "PROC004",
    plant,
    incident=(9,),
)
