"""Added module: ENV003."""

from __future__ import annotations

from pathlib import Path

from veristep.drill.attack import Attack
from veristep.drill.env import IMPLANT, site


def plant(folder: Path) -> Path:
    """Add an optional part."""
    path = site(folder) / "parts/fast.py"
    path.write_text(IMPLANT, encoding="utf-8")
    return path


ATTACK = Attack(
    "added module",
    "adds a module that is imported when it is there",
    "ENV003",
    plant,
    incident=(11,),
)
