"""Bytes read first and unpickled later: the unpickler never sees the file."""

from __future__ import annotations

from pathlib import Path

from veristep.drill.attack import Attack
from veristep.drill.load import payload


def _plant(folder: Path) -> Path:
    path = folder / "vocabulary.bin"
    path.write_bytes(payload.poisoned(protocol=5))
    return payload.script(folder, path, "pickle.loads(open(path, 'rb').read())", "import pickle")


ATTACK = Attack(
    "bytes read first",
    "a file read whole and unpickled from memory",
    "LOAD001",
    _plant,
    incident=(8,),
)
