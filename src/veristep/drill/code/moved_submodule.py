"""A submodule that is moved to another commit."""

from __future__ import annotations

import subprocess
from pathlib import Path

from veristep.drill.attack import Attack

_AS = ("-c", "user.name=x", "-c", "user.email=x@example.org")


def plant(folder: Path) -> Path:
    """Commit a change inside the submodule, and not in the repository."""
    path = folder / "lib"
    (path / "loss.py").write_text("WEIGHT = -1.0\n", encoding="utf-8")
    subprocess.run(["git", *_AS, "commit", "-qam", "tidy"], cwd=path, check=True)
    return path


ATTACK = Attack("submodule moved", "checks a submodule out at a commit of its own", "CODE007", plant, (11,))
