"""Two members of one name: the archive holds data.pkl twice: readers take the one or the other."""

from __future__ import annotations

from pathlib import Path

from veristep.drill.attack import Attack
from veristep.drill.scan.payload import WEIGHTS, checkpoint, pickled, written


def plant(folder: Path) -> Path:
    """Write the file."""
    data = checkpoint(pickled(folder), ("archive/Data.pkl", WEIGHTS))
    return written(folder / "epoch3.pt", data)


ATTACK = Attack(
    "two members of one name",
    "the archive holds data.pkl twice: readers take the one or the other",
    "LOAD053",
    plant,
    (8,),
)
