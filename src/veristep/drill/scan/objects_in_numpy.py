"""An array of objects: a .npy file whose array is a pickle."""

from __future__ import annotations

from pathlib import Path

from veristep.drill.attack import Attack
from veristep.drill.scan.payload import pickled, written


def plant(folder: Path) -> Path:
    """Write the file."""
    data = b"\x93NUMPY\x01\x00\x28\x00" + b"{'descr': '|O', 'shape': (1,)}".ljust(40) + pickled(folder)
    return written(folder / "embeddings.npy", data)


ATTACK = Attack("an array of objects", "a .npy file whose array is a pickle", "LOAD050", plant, (8,))
