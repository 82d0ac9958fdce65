"""Shadowed standard library: ENV009."""

from __future__ import annotations

from pathlib import Path

from veristep.drill.attack import Attack
from veristep.drill.env import set_variable


def plant(folder: Path) -> Path:
    """Have `import random` find another one."""
    place = folder / "helpers"
    place.mkdir()
    path = place / "random.py"
    path.write_text("def random():\n    return 0.5\n", encoding="utf-8")
    set_variable(folder, "PYTHONPATH", str(place))
    return path


ATTACK = Attack(
    "shadowed standard library",
    "puts a random module on PYTHONPATH",
    "ENV009",
    plant,
    incident=(11,),
)
