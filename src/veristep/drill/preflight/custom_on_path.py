"""Sitecustomize on the path: ENV008."""

from __future__ import annotations

from pathlib import Path

from veristep.drill.attack import Attack
from veristep.drill.env import IMPLANT, set_variable


def plant(folder: Path) -> Path:
    """Leave the package."""
    place = folder / "helpers/sitecustomize"
    place.mkdir(parents=True)
    path = place / "__init__.py"
    path.write_text(IMPLANT, encoding="utf-8")
    set_variable(folder, "PYTHONPATH", str(place.parent))
    return path


ATTACK = Attack(
    "sitecustomize on the path",
    "puts a sitecustomize package into a folder on PYTHONPATH",
    "ENV008",
    plant,
    incident=(11,),
)
