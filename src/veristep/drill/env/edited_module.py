"""Edited module: ENV001."""

from __future__ import annotations

from pathlib import Path

from veristep.drill.attack import Attack
from veristep.drill.env import append, site


def plant(folder: Path) -> Path:
    """Change a number."""
    path = site(folder) / "parts/core.py"
    append(path, "\n\ndef rate():\n    return 0.5\n")
    return path


ATTACK = Attack(
    "edited module",
    "edits an installed module and gives the file its old times back",
    "ENV001",
    plant,
    incident=(11,),
)
