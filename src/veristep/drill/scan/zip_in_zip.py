"""A checkpoint in an archive in an archive: two archives around the checkpoint."""

from __future__ import annotations

from pathlib import Path

from veristep.drill.attack import Attack
from veristep.drill.scan.payload import checkpoint, pickled, written, zipped


def plant(folder: Path) -> Path:
    """Write the file."""
    data = zipped(("a.bin", zipped(("b.bin", checkpoint(pickled(folder))))))
    return written(folder / "bundle.dat", data)


ATTACK = Attack(
    "a checkpoint in an archive in an archive", "two archives around the checkpoint", "LOAD050", plant, (8,)
)
