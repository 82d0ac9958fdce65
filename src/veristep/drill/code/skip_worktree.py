"""An edit of a tracked file, hidden by the index's skip-worktree flag."""

from __future__ import annotations

import subprocess
from pathlib import Path

from veristep.drill.attack import Attack


def plant(folder: Path) -> Path:
    """Change a number in a tracked file and tell git not to look."""
    path = folder / "model.py"
    path.write_text(path.read_text(encoding="utf-8").replace("1.0", "1.02"), encoding="utf-8")
    subprocess.run(["git", "update-index", "--skip-worktree", path.name], cwd=folder, check=True)
    return path


ATTACK = Attack(
    "edit under skip-worktree",
    "edits a tracked file and marks it so that git status does not show it",
    "CODE003",
    plant,
    (11,),
)
