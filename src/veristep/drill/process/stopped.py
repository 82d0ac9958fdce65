"""A process is stopped, and nothing else of the run."""

from __future__ import annotations

from pathlib import Path

from veristep.drill.attack import Attack
from veristep.drill.process import Target
from veristep.drill.process import acts_on_a_process as acts


def plant(folder: Path) -> Path:
    """Carry it out on the process that `Target.of` finds."""
    target = Target.of(folder)
    acts.stop(target)
    return target.path


ATTACK = Attack(
    "stopped process",
    "sends SIGSTOP to the training, from another session",
    "PROC003",
    plant,
    incident=(9, 13),
)
