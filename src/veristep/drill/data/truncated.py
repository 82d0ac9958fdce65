"""A shard cut short."""

from __future__ import annotations

import os
from pathlib import Path

from veristep.drill.attack import Attack


def plant(folder: Path) -> Path:
    """Cut off the last 512 bytes."""
    path = folder / "shard-0.bin"
    os.truncate(path, path.stat().st_size - 512)
    return path


ATTACK = Attack("shard cut short", "cuts the last samples off a shard", "DATA001", plant, (11,))
