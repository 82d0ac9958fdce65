"""A pickle named as safetensors: loaders that try several kinds unpickle it."""

from __future__ import annotations

from pathlib import Path

from veristep.drill.attack import Attack
from veristep.drill.scan.payload import pickled, written


def plant(folder: Path) -> Path:
    """Write the file."""
    data = pickled(folder)
    return written(folder / "model.safetensors", data)


ATTACK = Attack(
    "a pickle named as safetensors", "loaders that try several kinds unpickle it", "LOAD050", plant, (8,)
)
