"""An edit of a tracked file, hidden by the index's assume-unchanged flag, its times restored."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

from veristep.drill.attack import Attack


def plant(folder: Path) -> Path:
    """Change a number in a tracked file, restore its times and tell git that it is unchanged."""
    path = folder / "config.yaml"
    status = path.stat()
    path.write_text("seed: 8\n", encoding="utf-8")
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
    subprocess.run(["git", "update-index", "--assume-unchanged", path.name], cwd=folder, check=True)
    return path


ATTACK = Attack(
    "edit under assume-unchanged",
    "edits a tracked configuration and marks it so that git takes it as unchanged",
    "CODE003",
    plant,
    (11,),
)
