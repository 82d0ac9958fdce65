"""Other standard library: ENV012."""

from __future__ import annotations

from pathlib import Path

from veristep.drill.attack import Attack
from veristep.drill.env import set_variable


def plant(folder: Path) -> Path:
    """Name a folder of its own."""
    path = folder / "python"
    path.mkdir()
    set_variable(folder, "PYTHONHOME", str(path))
    return path


ATTACK = Attack(
    "other standard library",
    "has the standard library taken from another place",
    "ENV012",
    plant,
    incident=(11,),
)
