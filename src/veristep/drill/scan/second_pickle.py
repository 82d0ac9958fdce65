"""A second pickle behind raw numbers: the first pickle is clean; raw bytes and another pickle follow it."""

from __future__ import annotations

from pathlib import Path

from veristep.drill.attack import Attack
from veristep.drill.scan.payload import WEIGHTS, pickled, written


def plant(folder: Path) -> Path:
    """Write the file."""
    data = WEIGHTS + bytes(range(1, 256)) + pickled(folder)
    return written(folder / "batches.pkl", data)


ATTACK = Attack(
    "a second pickle behind raw numbers",
    "the first pickle is clean; raw bytes and another pickle follow it",
    "LOAD050",
    plant,
    (8,),
)
