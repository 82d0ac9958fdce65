"""A pickle changed in place, after its archive was written."""

from __future__ import annotations

from pathlib import Path

from veristep.drill.attack import Attack
from veristep.drill.scan.payload import WEIGHTS, checkpoint, written


def plant(folder: Path) -> Path:
    """Write the file."""
    data = checkpoint(WEIGHTS).replace(WEIGHTS, WEIGHTS[:-2] + b"0N.")[:]
    return written(folder / "epoch4.pt", data)


ATTACK = Attack(
    "a pickle that its archive's checksum does not fit",
    "the member was changed in place after the archive was written",
    "LOAD053",
    plant,
    (8,),
)
