"""Launcher that calls another function: ENV014."""

from __future__ import annotations

from pathlib import Path

from veristep.drill.attack import Attack


def plant(folder: Path) -> Path:
    """Import the function from another module."""
    path = folder / "bin/partsrun"
    text = path.read_text(encoding="utf-8").replace("from parts.core", "from parts.lazy")
    path.write_text(text, encoding="utf-8")
    return path


ATTACK = Attack(
    "launcher that calls another function",
    "has a console script import its function from another module",
    "ENV014",
    plant,
    incident=(11,),
)
