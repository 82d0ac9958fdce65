"""A key that lets somebody in."""

from __future__ import annotations

from pathlib import Path

from veristep.drill.attack import Attack
from veristep.drill.process import acts_on_a_process as acts


def plant(folder: Path) -> Path:
    """Carry it out on the process that `Target.of` finds."""
    return acts.add_key(folder / "home")


ATTACK = Attack(
    "added key",
    "adds a key to authorized_keys during the run",
    "PROC010",
    plant,
    incident=(14,),
)
