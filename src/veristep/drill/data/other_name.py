"""A shard changed through another name of the same file."""

from __future__ import annotations

from pathlib import Path

from veristep.drill.attack import Attack
from veristep.drill.data.times import replace_kept


def plant(folder: Path) -> Path:
    """Write through a hard link."""
    path = folder / "shard-2.bin"
    other = folder.parent / "innocent"
    other.hardlink_to(path)
    data = other.read_bytes()
    replace_kept(other, data[:-8] + b"poisoned")
    other.unlink()
    return path


ATTACK = Attack(
    "written through another name",
    "changes a shard through a hard link outside the data, and removes the link",
    "DATA001",
    plant,
    (11,),
)
