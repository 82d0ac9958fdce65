"""Bytes of a library are written while processes execute it."""

from __future__ import annotations

import os
from pathlib import Path

from veristep.drill.attack import Attack


def plant(folder: Path) -> Path:
    """Write the last byte of the file again; its content stays what it was, its change time does not."""
    library = folder / "site-packages/parts/native.so"
    status = library.stat()
    with library.open("r+b") as file:
        file.seek(-1, os.SEEK_END)
        last = file.read(1)
        file.seek(-1, os.SEEK_END)
        file.write(last)
    os.utime(library, ns=(status.st_atime_ns, status.st_mtime_ns))
    return library


ATTACK = Attack(
    "library edited in place",
    "writes a byte of a library that is in use, and sets its times back",
    "ENV041",
    plant,
    incident=(8,),
)
