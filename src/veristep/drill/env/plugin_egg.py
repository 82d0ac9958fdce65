"""Plugin by an egg-info: ENV010."""

from __future__ import annotations

from pathlib import Path

from veristep.drill.attack import Attack
from veristep.drill.env import site


def plant(folder: Path) -> Path:
    """Leave one small text file."""
    path = site(folder) / "accel.egg-info/entry_points.txt"
    path.parent.mkdir()
    path.write_text("[lightning.pytorch.callbacks_factory]\naccel = parts.core:rate\n", encoding="utf-8")
    return path


ATTACK = Attack(
    "plugin that a Trainer loads",
    "leaves an egg-info whose entry point every Lightning Trainer loads",
    "ENV010",
    plant,
    incident=(11,),
)
