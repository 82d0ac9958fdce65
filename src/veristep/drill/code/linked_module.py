"""A module that is a link to a file outside."""

from __future__ import annotations

from pathlib import Path

from veristep.drill.attack import Attack


def plant(folder: Path) -> Path:
    """Put a link in the place of a module."""
    path = folder / "model.py"
    own = folder.parent / "elsewhere/model.py"
    own.parent.mkdir()
    own.write_text(path.read_text(encoding="utf-8").replace("1.0", "1.2"), encoding="utf-8")
    path.unlink()
    path.symlink_to(own)
    return path


ATTACK = Attack(
    "module that is a link",
    "puts a link to a file outside the repository in the place of a module",
    "CODE002",
    plant,
    (11,),
)
