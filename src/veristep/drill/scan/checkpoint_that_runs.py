"""A checkpoint that runs a command: a checkpoint of torch whose pickle calls os.system."""

from __future__ import annotations

from pathlib import Path

from veristep.drill.attack import Attack
from veristep.drill.scan.payload import checkpoint, pickled, written


def plant(folder: Path) -> Path:
    """Write the file."""
    data = checkpoint(pickled(folder))
    return written(folder / "ckpt.pt", data)


ATTACK = Attack(
    "a checkpoint that runs a command",
    "a checkpoint of torch whose pickle calls os.system",
    "LOAD050",
    plant,
    (8,),
)
