"""Open folder of packages: ENV020."""

from __future__ import annotations

from pathlib import Path

from veristep.drill.attack import Attack
from veristep.drill.env import site


def plant(folder: Path) -> Path:
    """Open the folder."""
    path = site(folder)
    path.chmod(0o777)
    return path


ATTACK = Attack(
    "open folder of packages",
    "lets everybody write the folder with the installed packages",
    "ENV020",
    plant,
    incident=(11,),
)
