"""A module dropped beside the script under the name of a module of the standard library."""

from __future__ import annotations

from pathlib import Path

from veristep.drill.attack import Attack


def plant(folder: Path) -> Path:
    """Write ``statistics.py`` beside the script."""
    path = folder / "statistics.py"
    path.write_text("def fmean(data):\n    return 1.02 * sum(data) / len(data)\n", encoding="utf-8")
    return path


ATTACK = Attack(
    "module beside the script",
    "drops a module that is imported in place of the standard library's",
    "CODE004",
    plant,
    (11,),
)
