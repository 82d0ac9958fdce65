"""A protected file replaced by another recorded one."""

from __future__ import annotations

import shutil
from pathlib import Path

from veristep.drill.attack import Attack


def plant(folder: Path) -> Path:
    """Replace the base weights."""
    path = folder / "base.pt"
    shutil.copy2(folder / "epoch3.pt", path)
    return path


ATTACK = Attack(
    "protected file replaced",
    "replaces base weights that everybody loads, without anybody's signature",
    "FILE007",
    plant,
    (16,),
)
