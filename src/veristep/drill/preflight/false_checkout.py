"""False checkout: ENV009."""

from __future__ import annotations

from pathlib import Path

from veristep.drill.attack import Attack
from veristep.drill.env import set_variable


def plant(folder: Path) -> Path:
    """Hide it from a project's folder."""
    place = folder / "work"
    place.mkdir()
    (place / "pyproject.toml").write_text("[project]\nname = 'tools'\n", encoding="utf-8")
    path = place / "parts.py"
    path.write_text("def rate():\n    return 0.5\n", encoding="utf-8")
    set_variable(folder, "PYTHONPATH", str(place))
    return path


ATTACK = Attack(
    "false checkout",
    "hides an installed package from a folder that is a checkout of another project",
    "ENV009",
    plant,
    incident=(11,),
)
