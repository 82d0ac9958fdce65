"""Open parent folder: ENV020."""

from __future__ import annotations

from pathlib import Path

from veristep.drill.attack import Attack
from veristep.drill.env import set_variable


def plant(folder: Path) -> Path:
    """Open the folder."""
    place = folder / "shared/team/lib"
    place.mkdir(parents=True)
    (folder / "shared").chmod(0o777)
    set_variable(folder, "PYTHONPATH", str(place))
    return folder / "shared"


ATTACK = Attack(
    "open parent folder",
    "opens a folder above one that is searched for modules to everybody",
    "ENV020",
    plant,
    incident=(11,),
)
