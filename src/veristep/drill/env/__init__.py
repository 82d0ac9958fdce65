"""Attacks on an environment: what is installed, what its cache holds, what stands before it.

Each gets the folder of a small virtual environment in which ``parts`` and ``space.one`` are installed, from
wheels, and ``mine``, from a folder. Harmless: a number is another, or a variable is set. What a job would
start with is in a file ``variables`` there, a NAME=value in each line.
"""

from __future__ import annotations

import importlib.util
import marshal
import os
import struct
import sys
from pathlib import Path

IMPLANT = "import os as _os\n_os.environ['DRILLED'] = '1'\n"


def site(folder: Path) -> Path:
    """Return the folder with installed packages."""
    return next(folder.glob("lib/python*/site-packages"))


def append(path: Path, text: str = IMPLANT) -> None:
    """Add lines to a file, and give it its old times back."""
    status = path.stat()
    path.write_text(path.read_text(encoding="utf-8") + text, encoding="utf-8")
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))


def byte_code(source: Path, text: str, flags: int = 0) -> Path:
    """Write byte code of other source into a module's cache, under a header that fits the module."""
    status = source.stat()
    code = marshal.dumps(compile(text, str(source), "exec", dont_inherit=True))
    header = importlib.util.MAGIC_NUMBER + struct.pack("<I", flags)
    header += bytes(8) if flags else struct.pack("<II", int(status.st_mtime), status.st_size)
    cached = source.parent / "__pycache__" / f"{source.stem}.{sys.implementation.cache_tag}.pyc"
    cached.parent.mkdir(exist_ok=True)
    cached.write_bytes(header + code)
    return cached


def set_variable(folder: Path, name: str, value: str) -> None:
    """Set what jobs start with."""
    with (folder / "variables").open("a", encoding="utf-8") as file:
        file.write(f"{name}={value}\n")
