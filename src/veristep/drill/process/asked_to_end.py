"""A polite kill by a stranger."""

from __future__ import annotations

from pathlib import Path

from veristep.drill.attack import Attack
from veristep.drill.process import Target
from veristep.drill.process import acts_on_a_process as acts


def plant(folder: Path) -> Path:
    """Carry it out on the process that `Target.of` finds."""
    target = Target.of(folder)
    acts.ask_to_end(target)
    return target.path


ATTACK = Attack(
    "SIGTERM from a stranger",
    "sends SIGTERM to the run from a process of another session",
    "PROC006",
    plant,
    incident=(13,),
)
