"""An edit that git takes for none: same size, same time."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

from veristep.drill.attack import Attack


def plant(folder: Path) -> Path:
    """Edit a module and give it its old time, where git is told to trust that."""
    subprocess.run(["git", "config", "core.trustctime", "false"], cwd=folder, check=True)
    subprocess.run(["git", "config", "core.checkStat", "minimal"], cwd=folder, check=True)
    path = folder / "model.py"
    status = path.stat()
    path.write_text(path.read_text(encoding="utf-8").replace("1.0", "1.2"), encoding="utf-8")
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
    return path


ATTACK = Attack(
    "edit with the old size and time",
    "edits a module by as many bytes, gives it its old time, and has git trust that",
    "CODE002",
    plant,
    (11,),
)
