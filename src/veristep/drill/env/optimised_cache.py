"""Exchanged byte code for python -O: ENV004."""

from __future__ import annotations

from pathlib import Path

from veristep.drill.attack import Attack
from veristep.drill.env import byte_code, site


def plant(folder: Path) -> Path:
    """Exchange what only an optimised start reads."""
    path = byte_code(site(folder) / "parts/core.py", "def rate():\n    return 0.5\n")
    return path.rename(path.with_suffix(".opt-1.pyc"))


ATTACK = Attack(
    "exchanged byte code of optimised starts",
    "puts byte code of other source where only python -O reads it",
    "ENV004",
    plant,
    incident=(11,),
)
