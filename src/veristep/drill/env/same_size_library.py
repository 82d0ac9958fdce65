"""Exchanged native library: ENV001."""

from __future__ import annotations

import os
from pathlib import Path

from veristep.drill.attack import Attack
from veristep.drill.env import site


def plant(folder: Path) -> Path:
    """Exchange one byte."""
    path = site(folder) / "parts/native.so"
    status = path.stat()
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(bytes(data))
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
    return path


ATTACK = Attack(
    "exchanged native library",
    "exchanges a native library by one of the same size, and gives it its old times back",
    "ENV001",
    plant,
    incident=(11,),
)
