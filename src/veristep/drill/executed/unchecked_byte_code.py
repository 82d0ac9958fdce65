"""Byte code that says of itself that nobody has to look at its source."""

from __future__ import annotations

import importlib.util
import marshal
import struct
import sys
from pathlib import Path

from veristep.drill.attack import Attack
from veristep.drill.executed import EDITED


def plant(folder: Path) -> Path:
    """Leave byte code that stays in force whatever happens to the source."""
    module = folder / "site-packages/parts/core.py"
    code = compile(EDITED, str(module), "exec", dont_inherit=True)
    header = (
        importlib.util.MAGIC_NUMBER + struct.pack("<I", 1) + importlib.util.source_hash(EDITED.encode())
    )
    cached = module.parent / "__pycache__" / f"core.{sys.implementation.cache_tag}.pyc"
    cached.parent.mkdir(exist_ok=True)
    cached.write_bytes(header + marshal.dumps(code))
    return module


ATTACK = Attack(
    "unchecked byte code",
    "puts byte code with the flag that no source is compared",
    "ENV040",
    plant,
    incident=(8,),
)
