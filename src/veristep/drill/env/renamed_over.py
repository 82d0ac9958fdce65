"""Replaced file: ENV001."""

from __future__ import annotations

import shutil
from pathlib import Path

from veristep.drill.attack import Attack
from veristep.drill.env import IMPLANT, site


def plant(folder: Path) -> Path:
    """Rename an edited copy over the module."""
    path = site(folder) / "parts/core.py"
    other = path.with_suffix(".new")
    other.write_text(path.read_text(encoding="utf-8") + IMPLANT, encoding="utf-8")
    shutil.copystat(path, other)
    other.rename(path)
    return path


ATTACK = Attack(
    "replaced file",
    "puts another file in the place of a module, by renaming it over",
    "ENV001",
    plant,
    incident=(11,),
)
