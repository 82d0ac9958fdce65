"""A shard replaced while it is read, and put back."""

from __future__ import annotations

from pathlib import Path

from veristep.drill.attack import Attack
from veristep.drill.data.times import replace_kept


def plant(folder: Path) -> Path:
    """Write other bytes, and the old ones again."""
    path = folder / "shard-1.bin"
    data = path.read_bytes()
    replace_kept(path, b"\0" * len(data))
    replace_kept(path, data)
    return path


ATTACK = Attack(
    "replaced and put back",
    "replaces a shard between two epochs and puts it back, modification time and all",
    "DATA005",
    plant,
    (10, 11),
)
