"""Two shards exchanged by renaming."""

from __future__ import annotations

from pathlib import Path

from veristep.drill.attack import Attack


def plant(folder: Path) -> Path:
    """Exchange two shards."""
    first, second = folder / "shard-0.bin", folder / "shard-1.bin"
    aside = first.rename(folder.parent / "aside")
    second.rename(first)
    aside.rename(second)
    return first


ATTACK = Attack(
    "shards swapped", "exchanges two shards: no byte of the data is new", "DATA003", plant, (11,)
)
