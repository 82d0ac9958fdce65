"""Module in a byte-code folder: ENV003."""

from __future__ import annotations

from pathlib import Path

from veristep.drill.attack import Attack
from veristep.drill.env import IMPLANT, site


def plant(folder: Path) -> Path:
    """Hide a module where nobody looks."""
    path = site(folder) / "parts/__pycache__/handy.py"
    path.parent.mkdir(exist_ok=True)
    path.write_text(IMPLANT, encoding="utf-8")
    return path


ATTACK = Attack(
    "module in a byte-code folder",
    "hides a module among cached byte code, importable as parts.__pycache__.handy",
    "ENV003",
    plant,
    incident=(11,),
)
