"""A shard renamed, so that it comes in another order."""

from __future__ import annotations

from pathlib import Path

from veristep.drill.attack import Attack


def plant(folder: Path) -> Path:
    """Rename a shard."""
    path = folder / "shard-0.bin"
    path.rename(folder / "shard-9.bin")
    return path


ATTACK = Attack(
    "shard renamed", "renames a shard, so that it is read in another order", "DATA002", plant, (11,)
)
