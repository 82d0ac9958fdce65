"""Packages of another user base: ENV012."""

from __future__ import annotations

from pathlib import Path

from veristep.drill.attack import Attack
from veristep.drill.env import IMPLANT, set_variable


def plant(folder: Path) -> Path:
    """Name a user base of its own."""
    path = folder / "early"
    path.mkdir()
    (path / "early.py").write_text(IMPLANT, encoding="utf-8")
    set_variable(folder, "PYTHONUSERBASE", str(path))
    return path


ATTACK = Attack(
    "packages of another user base",
    "has the user's own packages taken from a folder of the attacker's",
    "ENV012",
    plant,
    incident=(11,),
)
