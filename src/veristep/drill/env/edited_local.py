"""Edited local distribution: ENV015."""

from __future__ import annotations

from pathlib import Path

from veristep.drill.attack import Attack
from veristep.drill.env import append, site


def plant(folder: Path) -> Path:
    """Edit a module of a distribution that no registry has."""
    path = site(folder) / "mine/core.py"
    append(path)
    return path


ATTACK = Attack(
    "edited local distribution",
    "edits a module of a distribution that was installed from a folder",
    "ENV015",
    plant,
    incident=(11,),
)
