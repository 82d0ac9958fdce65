"""Code after a folder: ENV007."""

from __future__ import annotations

from pathlib import Path

from veristep.drill.attack import Attack
from veristep.drill.env import site


def plant(folder: Path) -> Path:
    """Let the file begin like an ordinary one."""
    path = site(folder) / "project.pth"
    path.write_text("# the project\n../lib\nimport os; os.environ['DRILLED'] = '1'\n", encoding="utf-8")
    return path


ATTACK = Attack(
    "code after a folder",
    "puts a line that runs behind a folder and a comment in a .pth file",
    "ENV007",
    plant,
    incident=(11,),
)
