"""Module that is a link: ENV001."""

from __future__ import annotations

from pathlib import Path

from veristep.drill.attack import Attack
from veristep.drill.env import IMPLANT, site


def plant(folder: Path) -> Path:
    """Keep the code where the attacker can change it at any time."""
    path = site(folder) / "parts/core.py"
    other = folder / "mine.py"
    other.write_text(path.read_text(encoding="utf-8") + IMPLANT, encoding="utf-8")
    path.unlink()
    path.symlink_to(other)
    return path


ATTACK = Attack(
    "module that is a link",
    "puts a link to a file of its own in the place of a module",
    "ENV001",
    plant,
    incident=(11,),
)
