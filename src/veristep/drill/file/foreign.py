"""A checkpoint of another program under a known name."""

from __future__ import annotations

import pickle
from pathlib import Path

from veristep.drill.attack import Attack


def plant(folder: Path) -> Path:
    """Write a bare pickle."""
    path = folder / "epoch3.pt"
    path.write_bytes(pickle.dumps({"weights": [0.0] * 100}))
    return path


ATTACK = Attack(
    "foreign checkpoint", "puts a file of another make under a recorded name", "FILE003", plant, (8,)
)
