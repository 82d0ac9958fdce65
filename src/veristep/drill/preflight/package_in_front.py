"""Package in front: ENV009."""

from __future__ import annotations

from pathlib import Path

from veristep.drill.attack import Attack
from veristep.drill.env import set_variable


def plant(folder: Path) -> Path:
    """Hide the installed package."""
    place = folder / "helpers/parts"
    place.mkdir(parents=True)
    path = place / "__init__.py"
    path.write_text("def rate():\n    return 0.5\n", encoding="utf-8")
    set_variable(folder, "PYTHONPATH", str(place.parent))
    return path


ATTACK = Attack(
    "package in front",
    "puts another parts package on PYTHONPATH, where nothing is locked",
    "ENV009",
    plant,
    incident=(11,),
)
