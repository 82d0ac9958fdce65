"""A shard changed through a memory map."""

from __future__ import annotations

import mmap
import os
from pathlib import Path

from veristep.drill.attack import Attack


def plant(folder: Path) -> Path:
    """Overwrite four bytes through a map."""
    path = folder / "shard-0.bin"
    status = path.stat()
    with path.open("r+b") as file, mmap.mmap(file.fileno(), 0) as view:
        view[100:104] = b"\0\0\0\0"
        view.flush()
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
    return path


ATTACK = Attack(
    "written through a map",
    "changes a shard through a memory map, which no write call shows",
    "DATA001",
    plant,
    (11,),
)
