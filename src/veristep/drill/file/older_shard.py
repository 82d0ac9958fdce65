"""A shard of an earlier step among newer ones."""

from __future__ import annotations

import shutil
from pathlib import Path

from veristep.drill.attack import Attack


def plant(folder: Path) -> Path:
    """Put back the older second shard."""
    path = folder / "sharded" / "model-00002-of-00002.bin"
    shutil.copy2(folder.parent / "old-2", path)
    return path


ATTACK = Attack(
    "shard of an earlier step",
    "puts a shard of an earlier step among newer ones: it loads without a complaint",
    "FILE005",
    plant,
    (12,),
)
