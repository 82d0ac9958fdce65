"""The unpickler that is written in Python."""

from __future__ import annotations

from pathlib import Path

from veristep.drill.attack import Attack
from veristep.drill.load import payload


def _plant(folder: Path) -> Path:
    path = folder / "tree.pkl"
    path.write_bytes(payload.poisoned())
    head = "import pickle\nclass Reader(pickle._Unpickler):\n    pass"
    return payload.script(folder, path, "with open(path, 'rb') as file:\n    Reader(file).load()", head)


ATTACK = Attack(
    "unpickler in Python",
    "a subclass of the Python unpickler loads the file",
    "LOAD001",
    _plant,
    incident=(8,),
)
