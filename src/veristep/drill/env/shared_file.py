"""Installed file with another name: ENV013."""

from __future__ import annotations

import os
from pathlib import Path

from veristep.drill.attack import Attack
from veristep.drill.env import site


def plant(folder: Path) -> Path:
    """Give a module another name, in a folder of its own."""
    path = site(folder) / "parts/core.py"
    (folder / "cache").mkdir()
    os.link(path, folder / "cache/core.py")
    return path


ATTACK = Attack(
    "second name of a module",
    "gives an installed module another name elsewhere, through which it can be edited later",
    "ENV013",
    plant,
    incident=(11,),
)
