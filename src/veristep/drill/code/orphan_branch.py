"""A history that begins anew."""

from __future__ import annotations

import subprocess
from pathlib import Path

from veristep.drill.attack import Attack

_AS = ("-c", "user.name=x", "-c", "user.email=x@example.org")


def plant(folder: Path) -> Path:
    """Check out a branch without a past, with an edit in it."""
    subprocess.run(["git", "checkout", "-q", "--orphan", "fresh"], cwd=folder, check=True)
    path = folder / "model.py"
    path.write_text(path.read_text(encoding="utf-8").replace("1.0", "1.2"), encoding="utf-8")
    subprocess.run(["git", *_AS, "commit", "-qam", "first"], cwd=folder, check=True)
    return folder


ATTACK = Attack(
    "history that begins anew",
    "checks out a branch without a past, with an edit in it",
    "CODE001",
    plant,
    (11, 15),
)
