"""Start function: ENV007."""

from __future__ import annotations

from pathlib import Path

from veristep.drill.attack import Attack
from veristep.drill.env import site


def plant(folder: Path) -> Path:
    """Leave a file that later versions of Python heed."""
    path = site(folder) / "speedups.start"
    path.write_text("parts.core:rate\n", encoding="utf-8")
    return path


ATTACK = Attack(
    "start function",
    "leaves a .start file that names a function to call",
    "ENV007",
    plant,
    incident=(14,),
)
