"""Start line: ENV007."""

from __future__ import annotations

from pathlib import Path

from veristep.drill.attack import Attack
from veristep.drill.env import site


def plant(folder: Path) -> Path:
    """Leave a line for `site`."""
    path = site(folder) / "speedups.pth"
    path.write_text("import os; os.environ['DRILLED'] = '1'\n", encoding="utf-8")
    return path


ATTACK = Attack(
    "start line",
    "leaves a .pth file that runs code at every start",
    "ENV007",
    plant,
    incident=(14,),
)
