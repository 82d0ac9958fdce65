"""Cached byte code of other source, under the header of the right one."""

from __future__ import annotations

import importlib.util
import marshal
import struct
import sys
from pathlib import Path

from veristep.drill.attack import Attack
from veristep.drill.executed import EDITED


def plant(folder: Path) -> Path:
    """Exchange the byte code that the next import reads."""
    module = folder / "site-packages/parts/core.py"
    code = compile(EDITED, str(module), "exec", dont_inherit=True)
    status = module.stat()
    header = importlib.util.MAGIC_NUMBER + struct.pack("<III", 0, int(status.st_mtime), status.st_size)
    cached = module.parent / "__pycache__" / f"core.{sys.implementation.cache_tag}.pyc"
    cached.parent.mkdir(exist_ok=True)
    cached.write_bytes(header + marshal.dumps(code))
    return module


ATTACK = Attack(
    "exchanged byte code",
    "puts byte code of other source into the cache, with the size and time of the source that stands there",
    "ENV040",
    plant,
    incident=(8,),
)
