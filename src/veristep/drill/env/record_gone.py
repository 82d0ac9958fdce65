"""RECORD of a local distribution: ENV022."""

from __future__ import annotations

from pathlib import Path

from veristep.drill.attack import Attack
from veristep.drill.env import site


def plant(folder: Path) -> Path:
    """Take the list of files away."""
    path = site(folder) / "mine-1.0.dist-info/METADATA"
    (path.parent / "RECORD").unlink()
    return path


ATTACK = Attack(
    "list of files taken away",
    "deletes the RECORD of a distribution, so that pip cannot tell what it installed",
    "ENV022",
    plant,
    incident=(11,),
)
