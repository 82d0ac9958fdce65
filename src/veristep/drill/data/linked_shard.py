"""A shard replaced by a symbolic link to another."""

from __future__ import annotations

from pathlib import Path

from veristep.drill.attack import Attack


def plant(folder: Path) -> Path:
    """Replace a shard by a link."""
    path = folder / "shard-1.bin"
    path.unlink()
    path.symlink_to("shard-0.bin")
    return path


ATTACK = Attack(
    "shard replaced by a link", "replaces a shard by a link to another one", "DATA003", plant, (11,)
)
