"""A pipe in a checkpoint's place: a named pipe that never ends hangs who reads it."""

from __future__ import annotations

import os
from pathlib import Path

from veristep.drill.attack import Attack


def plant(folder: Path) -> Path:
    """Write the file."""
    path = folder / "last.pt"
    os.mkfifo(path)
    return path


ATTACK = Attack(
    "a pipe in a checkpoint's place",
    "a named pipe that never ends hangs who reads it",
    "LOAD065",
    plant,
    (8,),
)
