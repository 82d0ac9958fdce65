"""Unchecked byte code: ENV005."""

from __future__ import annotations

from pathlib import Path

from veristep.drill.attack import Attack
from veristep.drill.env import byte_code, site


def plant(folder: Path) -> Path:
    """Leave byte code that stays in force whatever the source becomes."""
    return byte_code(site(folder) / "parts/core.py", "def rate():\n    return 0.5\n", flags=1)


ATTACK = Attack(
    "unchecked byte code",
    "puts byte code into the cache that asks not to be checked",
    "ENV005",
    plant,
    incident=(11,),
)
