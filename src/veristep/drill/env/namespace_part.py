"""Part of a namespace on the module path: ENV019."""

from __future__ import annotations

from pathlib import Path

from veristep.drill.attack import Attack
from veristep.drill.env import IMPLANT, set_variable


def plant(folder: Path) -> Path:
    """Join the namespace from another folder."""
    path = folder / "shared/space/two.py"
    path.parent.mkdir(parents=True)
    path.write_text(IMPLANT, encoding="utf-8")
    set_variable(folder, "PYTHONPATH", str(folder / "shared"))
    return path


ATTACK = Attack(
    "part of a namespace on the module path",
    "puts a folder on PYTHONPATH that adds a module to a namespace package",
    "ENV019",
    plant,
    incident=(11,),
)
