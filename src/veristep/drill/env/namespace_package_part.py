"""Package in a namespace, by PYTHONPATH: ENV019."""

from __future__ import annotations

from pathlib import Path

from veristep.drill.attack import Attack
from veristep.drill.env import IMPLANT, set_variable


def plant(folder: Path) -> Path:
    """Join the namespace with a package."""
    path = folder / "shared/space/plugin/__init__.py"
    path.parent.mkdir(parents=True)
    path.write_text(IMPLANT, encoding="utf-8")
    set_variable(folder, "PYTHONPATH", f"/nowhere:{folder}/shared")
    return path


ATTACK = Attack(
    "package added to a namespace",
    "adds a whole package to a namespace package, for who looks for plugins",
    "ENV019",
    plant,
    incident=(11,),
)
