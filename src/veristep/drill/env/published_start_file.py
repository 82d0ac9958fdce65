"""Start line in a published file: ENV001."""

from __future__ import annotations

from pathlib import Path

from veristep.drill.attack import Attack
from veristep.drill.env import append, site


def plant(folder: Path) -> Path:
    """Add the line to the file that has a reason to be there."""
    path = site(folder) / "parts.pth"
    append(path, "import os; os.environ['DRILLED'] = '1'\n")
    return path


ATTACK = Attack(
    "start line in a published file",
    "adds a line to a .pth file that a distribution brought",
    "ENV001",
    plant,
    incident=(14,),
)
