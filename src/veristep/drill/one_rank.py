"""Rehearsal: at a few steps one rank's update goes the wrong way, and only that rank's.

A conditional attack: the other replicas are honest, and so is every rank of a smaller job. Each of the
other rehearsals takes a rank too.
"""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

from veristep.drill import reversed_update


def plant(folder: Path, *, steps: Collection[int], rank: int = 1, tensor: int | None = None) -> Path:
    """Write the implant; see `implant.write` for the arguments."""
    return reversed_update.plant(folder, steps=steps, tensor=tensor, rank=rank)
