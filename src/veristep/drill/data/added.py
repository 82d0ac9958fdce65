"""A file added to the data."""

from __future__ import annotations

import os
from pathlib import Path

from veristep.drill.attack import Attack


def plant(folder: Path) -> Path:
    """Add a shard, dated back."""
    path = folder / "shard-3.bin"
    path.write_bytes(b"poison" * 100)
    os.utime(path, (1_000_000_000, 1_000_000_000))
    return path


ATTACK = Attack(
    "file added", "adds a shard that a loader listing the folder reads", "DATA004", plant, (11,)
)
