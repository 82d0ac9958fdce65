"""One bit of a shard flipped."""

from __future__ import annotations

from pathlib import Path

from veristep.drill.attack import Attack
from veristep.drill.data.times import replace_kept


def plant(folder: Path) -> Path:
    """Flip one bit."""
    path = folder / "shard-1.bin"
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 0x10
    replace_kept(path, bytes(data))
    return path


ATTACK = Attack("bit flipped", "flips one bit in the middle of a shard", "DATA001", plant, (11,))
