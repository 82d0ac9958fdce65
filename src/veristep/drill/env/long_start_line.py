"""Start line behind blanks: ENV007."""

from __future__ import annotations

from pathlib import Path

from veristep.drill.attack import Attack
from veristep.drill.env import site


def plant(folder: Path) -> Path:
    """Leave a line whose end no editor shows."""
    path = site(folder) / "aaa.pth"
    line = "import os;" + " " * 2000 + "os.environ['DRILLED'] = '1'"
    path.write_text("# speedups\n\n" + line + "\n", encoding="utf-8")
    return path


ATTACK = Attack(
    "start line behind blanks",
    "hides the code of a .pth file behind comments and two thousand blanks",
    "ENV007",
    plant,
    incident=(14,),
)
