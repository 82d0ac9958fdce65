"""An edit of a tracked file, while git is told that the working tree is a clean copy."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

from veristep.drill.attack import Attack


def plant(folder: Path) -> Path:
    """Edit a file, and name a clean copy as the working tree."""
    copy = folder.parent / "clean-copy"
    shutil.copytree(folder, copy, ignore=shutil.ignore_patterns(".git"))
    path = folder / "config.yaml"
    path.write_text("seed: 8\n", encoding="utf-8")
    _git(folder, "config", "core.worktree", str(copy))
    return path


def _git(folder: Path, *words: str) -> str:
    done = subprocess.run(["git", *words], cwd=folder, check=True, capture_output=True, text=True)
    return done.stdout.strip()


ATTACK = Attack(
    "edit beside the working tree",
    "edits a tracked file, and tells git that a clean copy elsewhere is the working tree",
    "CODE003",
    plant,
    (11, 15),
)
