"""Unchecked byte code for python -OO: ENV005."""

from __future__ import annotations

from pathlib import Path

from veristep.drill.attack import Attack
from veristep.drill.env import byte_code, site


def plant(folder: Path) -> Path:
    """Leave unchecked byte code for optimised starts."""
    path = byte_code(site(folder) / "parts/core.py", "def rate():\n    return 0.5\n", flags=1)
    return path.rename(path.with_suffix(".opt-2.pyc"))


ATTACK = Attack(
    "unchecked byte code of optimised starts",
    "puts byte code that asks not to be checked where only python -OO reads it",
    "ENV005",
    plant,
    incident=(11,),
)
