"""Sticky folder on the path: ENV020."""

from __future__ import annotations

from pathlib import Path

from veristep.drill.attack import Attack
from veristep.drill.env import set_variable


def plant(folder: Path) -> Path:
    """Search a folder where everybody adds files."""
    place = folder / "scratch"
    place.mkdir()
    place.chmod(0o1777)
    set_variable(folder, "PYTHONPATH", str(place))
    return place


ATTACK = Attack(
    "sticky folder on the path",
    "puts a folder such as /tmp on PYTHONPATH, where anybody can add a module",
    "ENV020",
    plant,
    incident=(11,),
)
