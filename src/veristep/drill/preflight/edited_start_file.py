"""Edited start file: ENV007."""

from __future__ import annotations

from pathlib import Path

from veristep.drill.attack import Attack
from veristep.drill.env import append, site


def plant(folder: Path) -> Path:
    """Edit a file that a RECORD lists."""
    path = site(folder) / "parts.pth"
    append(path, "import os; os.environ['DRILLED'] = '1'\n")
    return path


ATTACK = Attack(
    "edited start file",
    "adds a line that runs to the .pth file of an installed package",
    "ENV007",
    plant,
    incident=(11,),
)
