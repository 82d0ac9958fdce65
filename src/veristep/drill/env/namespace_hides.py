"""Module of a namespace package hidden: ENV019."""

from __future__ import annotations

from pathlib import Path

from veristep.drill.attack import Attack
from veristep.drill.env import IMPLANT, set_variable


def plant(folder: Path) -> Path:
    """Come before the module of that name."""
    path = folder / "shared/space/one.py"
    path.parent.mkdir(parents=True)
    path.write_text("ONE = 0.5\\n" + IMPLANT, encoding="utf-8")
    set_variable(folder, "PYTHONPATH", str(folder / "shared"))
    return path


ATTACK = Attack(
    "module of a namespace hidden",
    "puts a folder on PYTHONPATH whose module comes before that of a namespace package",
    "ENV019",
    plant,
    incident=(11,),
)
