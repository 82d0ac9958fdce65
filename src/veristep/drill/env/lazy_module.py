"""Edited module that is imported late: ENV001."""

from __future__ import annotations

from pathlib import Path

from veristep.drill.attack import Attack
from veristep.drill.env import append, site


def plant(folder: Path) -> Path:
    """Edit the module nobody imports at the start."""
    path = site(folder) / "parts/lazy.py"
    append(path)
    return path


ATTACK = Attack(
    "edited module that is imported late",
    "edits a module that is imported only when an optimizer is made",
    "ENV001",
    plant,
    incident=(9,),
)
