"""A shard exchanged by renaming while it is read, and put back."""

from __future__ import annotations

from pathlib import Path

from veristep.drill.attack import Attack


def plant(folder: Path) -> Path:
    """Exchange a shard for a moment."""
    path = folder / "shard-0.bin"
    aside = path.rename(folder.parent / "aside")
    path.write_bytes(b"\0" * aside.stat().st_size)
    aside.replace(path)
    return path


ATTACK = Attack(
    "exchanged and put back",
    "renames a shard away, puts another in its place, and renames it back",
    "DATA005",
    plant,
    (10, 11),
)
