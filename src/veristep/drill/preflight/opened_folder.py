"""Opened folder: ENV007."""

from __future__ import annotations

from pathlib import Path

from veristep.drill.attack import Attack
from veristep.drill.env import site


def plant(folder: Path) -> Path:
    """Open the folder."""
    place = folder / "elsewhere"
    place.mkdir()
    path = site(folder) / "elsewhere.pth"
    path.write_text(f"{place}\n", encoding="utf-8")
    return path


ATTACK = Attack(
    "opened folder",
    "leaves a .pth file that puts a folder of somebody's on the module path",
    "ENV007",
    plant,
    incident=(11,),
)
