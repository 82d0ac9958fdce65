"""Edited launcher: ENV014."""

from __future__ import annotations

from pathlib import Path

from veristep.drill.attack import Attack
from veristep.drill.env import IMPLANT


def plant(folder: Path) -> Path:
    """Add a line to the wrapper."""
    path = folder / "bin/partsrun"
    text = path.read_text(encoding="utf-8")
    path.write_text(text.replace("import sys\n", "import sys\n" + IMPLANT, 1), encoding="utf-8")
    return path


ATTACK = Attack(
    "edited launcher",
    "has a console script do something before it calls its entry point",
    "ENV014",
    plant,
    incident=(11,),
)
