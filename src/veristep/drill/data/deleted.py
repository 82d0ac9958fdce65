"""A shard deleted."""

from __future__ import annotations

from pathlib import Path

from veristep.drill.attack import Attack


def plant(folder: Path) -> Path:
    """Delete a shard."""
    path = folder / "shard-2.bin"
    path.unlink()
    return path


ATTACK = Attack(
    "shard deleted",
    "deletes a shard: a loader that lists the folder trains on less",
    "DATA002",
    plant,
    (11,),
)
