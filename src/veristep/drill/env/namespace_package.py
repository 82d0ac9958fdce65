"""Module in a namespace package: ENV003."""

from __future__ import annotations

from pathlib import Path

from veristep.drill.attack import Attack
from veristep.drill.env import IMPLANT, site


def plant(folder: Path) -> Path:
    """Join the namespace."""
    path = site(folder) / "space/two.py"
    path.write_text(IMPLANT, encoding="utf-8")
    return path


ATTACK = Attack(
    "module in a namespace package",
    "adds a module to a namespace package that others wrote",
    "ENV003",
    plant,
    incident=(11,),
)
