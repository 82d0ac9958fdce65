"""A door, and a call home."""

from __future__ import annotations

from pathlib import Path

from veristep.drill.attack import Attack
from veristep.drill.process import acts_on_a_process as acts


def plant(folder: Path) -> Path:
    """Carry it out on the process that `Target.of` finds."""
    return acts.opens_doors(folder)


ATTACK = Attack(
    "listening socket",
    "opens a listening socket, calls a port and starts a program, from a module on no record",
    "PROC013",
    plant,
    incident=(14,),
)
