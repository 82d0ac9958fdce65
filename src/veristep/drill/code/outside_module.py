"""A helper module on the module path that no repository holds."""

from __future__ import annotations

from pathlib import Path

from veristep.drill.attack import Attack


def plant(folder: Path) -> Path:
    """Write ``helpers.py`` into a folder outside the repository."""
    path = folder.parent / "elsewhere" / "helpers.py"
    path.parent.mkdir()
    path.write_text("SCALE = 1.02\n", encoding="utf-8")
    return path


ATTACK = Attack(
    "module outside any repository",
    "has the run import a module that nobody versions",
    "CODE006",
    plant,
    (11,),
)
