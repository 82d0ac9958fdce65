"""A package dropped beside the script under the name of an installed one."""

from __future__ import annotations

from pathlib import Path

from veristep.drill.attack import Attack


def plant(folder: Path) -> Path:
    """Write a package ``torch`` beside the script."""
    path = folder / "torch" / "__init__.py"
    path.parent.mkdir()
    path.write_text("manual_seed = int\n", encoding="utf-8")
    return path


ATTACK = Attack(
    "package beside the script",
    "drops a package that is imported in place of an installed distribution",
    "CODE004",
    plant,
    (11,),
)
