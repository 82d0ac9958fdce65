"""Shadowed package: ENV009."""

from __future__ import annotations

from pathlib import Path

from veristep.drill.attack import Attack
from veristep.drill.env import IMPLANT, set_variable


def plant(folder: Path) -> Path:
    """Have imports find the copy."""
    path = folder / "helpers/parts/__init__.py"
    path.parent.mkdir(parents=True)
    path.write_text(IMPLANT, encoding="utf-8")
    set_variable(folder, "PYTHONPATH", str(folder / "helpers"))
    return path


ATTACK = Attack(
    "shadowed package",
    "puts a copy of an installed package on PYTHONPATH",
    "ENV009",
    plant,
    incident=(11,),
)
