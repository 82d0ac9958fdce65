"""Deleted file of a local distribution: ENV015."""

from __future__ import annotations

from pathlib import Path

from veristep.drill.attack import Attack
from veristep.drill.env import site


def plant(folder: Path) -> Path:
    """Take the checking module out."""
    path = site(folder) / "mine/checks.py"
    path.unlink()
    return path


ATTACK = Attack(
    "deleted file of a local distribution",
    "deletes a module of a distribution that was installed from a folder",
    "ENV015",
    plant,
    incident=(11,),
)
