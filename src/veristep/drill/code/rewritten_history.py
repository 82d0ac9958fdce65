"""A history in which the last run's commit does not occur any more."""

from __future__ import annotations

import subprocess
from pathlib import Path

from veristep.drill.attack import Attack

_AS = ("-c", "user.name=x", "-c", "user.email=x@example.org")


def plant(folder: Path) -> Path:
    """Change a file and amend the commit that the last run had."""
    path = folder / "model.py"
    path.write_text(path.read_text(encoding="utf-8").replace("1.0", "1.02"), encoding="utf-8")
    subprocess.run(["git", *_AS, "commit", "-qa", "--amend", "-m", "first"], cwd=folder, check=True)
    return folder


ATTACK = Attack(
    "rewritten history", "amends the commit of the last run, with an edit in it", "CODE001", plant, (11, 15)
)
