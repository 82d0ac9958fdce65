"""An edit of a tracked file behind a replacement of the commit's tree."""

from __future__ import annotations

import subprocess
from pathlib import Path

from veristep.drill.attack import Attack


def plant(folder: Path) -> Path:
    """Edit a file, and have a tree that holds the edit stand for the commit's."""
    path = folder / "model.py"
    path.write_text(path.read_text(encoding="utf-8").replace("1.0", "1.02"), encoding="utf-8")
    before = _git(folder, "rev-parse", "HEAD^{tree}")
    _git(folder, "add", path.name)
    _git(folder, "replace", before, _git(folder, "write-tree"))
    return path


def _git(folder: Path, *words: str) -> str:
    done = subprocess.run(["git", *words], cwd=folder, check=True, capture_output=True, text=True)
    return done.stdout.strip()


ATTACK = Attack(
    "edit behind a replacement",
    "edits a tracked file, and has git take another tree for the commit's: its status is clean",
    "CODE003",
    plant,
    (11, 15),
)
