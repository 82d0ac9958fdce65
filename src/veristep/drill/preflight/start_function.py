"""Start function, nothing locked: ENV007."""

from __future__ import annotations

from pathlib import Path

from veristep.drill.attack import Attack
from veristep.drill.env import site


def plant(folder: Path) -> Path:
    """Name a function to be called."""
    path = site(folder) / "aliases.start"
    path.write_text("parts.core:rate\n", encoding="utf-8")
    return path


ATTACK = Attack(
    "start function, nothing locked",
    "leaves a .start file that names a function",
    "ENV007",
    plant,
    incident=(11,),
)
