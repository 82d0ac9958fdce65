"""An older checkpoint under the newer name."""

from __future__ import annotations

import shutil
from pathlib import Path

from veristep.drill.attack import Attack


def plant(folder: Path) -> Path:
    """Copy the first checkpoint over the last."""
    path = folder / "epoch3.pt"
    shutil.copy2(folder / "epoch1.pt", path)
    return path


ATTACK = Attack(
    "older checkpoint", "puts an older checkpoint under the newer name", "FILE002", plant, (8, 12)
)
