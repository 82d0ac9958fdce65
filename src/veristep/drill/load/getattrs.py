"""The shell is reached from a harmless class, attribute by attribute."""

from __future__ import annotations

from pathlib import Path

from veristep.drill.attack import Attack
from veristep.drill.load import payload


def _plant(folder: Path) -> Path:
    path = folder / "metrics.pkl"
    inner = b"cbuiltins\ngetattr\n(ccollections\nOrderedDict\nS'__init__'\ntR"
    steps = b"cbuiltins\ngetattr\n(" + inner + b"S'__globals__'\ntR."
    path.write_bytes(steps)
    return payload.script(
        folder, path, "with open(path, 'rb') as file:\n    pickle.load(file)", "import pickle"
    )


ATTACK = Attack(
    "chain of getattr",
    "from a class of the standard library to its globals, to the shell",
    "LOAD001",
    _plant,
    incident=(8,),
)
