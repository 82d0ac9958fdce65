"""An edit that is staged and in no commit."""

from __future__ import annotations

import subprocess
from pathlib import Path

from veristep.drill.attack import Attack


def plant(folder: Path) -> Path:
    """Edit a module and stage it."""
    path = folder / "model.py"
    path.write_text(path.read_text(encoding="utf-8").replace("1.0", "1.2"), encoding="utf-8")
    subprocess.run(["git", "add", "model.py"], cwd=folder, check=True)
    return path


ATTACK = Attack(
    "edit that is staged only",
    "edits a module and stages it, so that a look at unstaged changes shows nothing",
    "CODE002",
    plant,
    (11,),
)
