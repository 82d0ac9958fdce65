"""Module with a name that hides it: ENV003."""

from __future__ import annotations

from pathlib import Path

from veristep.drill.attack import Attack
from veristep.drill.env import IMPLANT, site


def plant(folder: Path) -> Path:
    """Name it so that a list of files does not show it."""
    path = site(folder) / "parts/core.py\x1b[2K\r.py"
    path.write_text(IMPLANT, encoding="utf-8")
    return path


ATTACK = Attack(
    "module whose name hides it",
    "adds a module whose name erases its line on a terminal",
    "ENV003",
    plant,
    incident=(11,),
)
