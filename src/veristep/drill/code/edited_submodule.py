"""An edit inside a submodule, in no commit."""

from __future__ import annotations

from pathlib import Path

from veristep.drill.attack import Attack


def plant(folder: Path) -> Path:
    """Edit a file of the submodule."""
    path = folder / "lib/loss.py"
    path.write_text("WEIGHT = -1.0\n", encoding="utf-8")
    return path


ATTACK = Attack(
    "edit inside a submodule",
    "edits a file of a submodule, which the repository itself does not show as its own",
    "CODE002",
    plant,
    (11,),
)
