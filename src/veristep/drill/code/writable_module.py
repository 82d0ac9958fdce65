"""A module of the repository that everybody can write."""

from __future__ import annotations

from pathlib import Path

from veristep.drill.attack import Attack


def plant(folder: Path) -> Path:
    """Open a tracked module to everybody."""
    path = folder / "model.py"
    path.chmod(0o666)
    return path


ATTACK = Attack(
    "module open to everybody",
    "leaves a module so that every user can edit it later",
    "CODE005",
    plant,
    (16,),
)
