"""Edited data file: ENV001."""

from __future__ import annotations

from pathlib import Path

from veristep.drill.attack import Attack
from veristep.drill.env import site


def plant(folder: Path) -> Path:
    """Edit a table that the package reads."""
    path = site(folder) / "parts/table.json"
    path.write_text('{"rate": 0.5}', encoding="utf-8")
    return path


ATTACK = Attack(
    "edited data file",
    "changes a number in a data file of a package",
    "ENV001",
    plant,
    incident=(11,),
)
