"""Byte code without a source: ENV006."""

from __future__ import annotations

from pathlib import Path

from veristep.drill.attack import Attack
from veristep.drill.env import IMPLANT, byte_code, site


def plant(folder: Path) -> Path:
    """Leave a module whose source nobody has."""
    path = site(folder) / "handy.pyc"
    cached = byte_code(site(folder) / "parts/core.py", IMPLANT)
    cached.rename(path)
    return path


ATTACK = Attack(
    "byte code without a source",
    "leaves a module as byte code only",
    "ENV006",
    plant,
    incident=(11,),
)
