"""Deleted module: ENV002."""

from __future__ import annotations

from pathlib import Path

from veristep.drill.attack import Attack
from veristep.drill.env import site


def plant(folder: Path) -> Path:
    """Delete it."""
    path = site(folder) / "parts/lazy.py"
    path.unlink()
    return path


ATTACK = Attack(
    "deleted module",
    "deletes a module so that a fallback runs",
    "ENV002",
    plant,
    incident=(11,),
)
