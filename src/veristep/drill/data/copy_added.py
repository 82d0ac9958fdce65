"""A copy of a shard added to the data."""

from __future__ import annotations

import shutil
from pathlib import Path

from veristep.drill.attack import Attack


def plant(folder: Path) -> Path:
    """Add a copy of a shard."""
    path = folder / "shard-3.bin"
    shutil.copy2(folder / "shard-1.bin", path)
    return path


ATTACK = Attack(
    "copy added", "adds a second copy of a shard, which weighs its samples twice", "DATA004", plant, (11,)
)
