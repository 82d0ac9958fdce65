"""One shard copied over another."""

from __future__ import annotations

import shutil
from pathlib import Path

from veristep.drill.attack import Attack


def plant(folder: Path) -> Path:
    """Copy a shard over another."""
    path = folder / "shard-2.bin"
    shutil.copy2(folder / "shard-0.bin", path)
    return path


ATTACK = Attack(
    "shard copied over another", "trains twice on one shard and never on the other", "DATA003", plant, (11,)
)
