"""Padded start line: ENV007."""

from __future__ import annotations

from pathlib import Path

from veristep.drill.attack import Attack
from veristep.drill.env import site


def plant(folder: Path) -> Path:
    """Move the code out of sight."""
    path = site(folder) / "aliases.pth"
    path.write_text("import os" + " " * 600 + "; os.environ['DRILLED'] = '1'\n", encoding="utf-8")
    return path


ATTACK = Attack(
    "padded start line",
    "hides the code of a .pth line behind hundreds of blanks",
    "ENV007",
    plant,
    incident=(11,),
)
