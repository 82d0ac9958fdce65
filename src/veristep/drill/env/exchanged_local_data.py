"""Exchanged data of a local distribution: ENV015."""

from __future__ import annotations

import os
from pathlib import Path

from veristep.drill.attack import Attack
from veristep.drill.env import site


def plant(folder: Path) -> Path:
    """Exchange a table, the size and times as they were."""
    path = site(folder) / "mine/rates.json"
    status = path.stat()
    path.write_text(path.read_text(encoding="utf-8").replace("1.0", "0.5"), encoding="utf-8")
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
    return path


ATTACK = Attack(
    "exchanged data of a local distribution",
    "changes a number in the data of a distribution that was installed from a folder",
    "ENV015",
    plant,
    incident=(11,),
)
