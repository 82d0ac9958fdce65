"""A shard of a checkpoint deleted."""

from __future__ import annotations

from pathlib import Path

from veristep.drill.attack import Attack


def plant(folder: Path) -> Path:
    """Delete the second shard."""
    path = folder / "sharded" / "model-00002-of-00002.bin"
    path.unlink()
    return path


ATTACK = Attack("shard missing", "deletes one shard of a checkpoint", "FILE005", plant, (12,))
