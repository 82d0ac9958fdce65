"""The file is gone by the time anybody looks."""

from __future__ import annotations

from pathlib import Path

from veristep.drill.attack import Attack
from veristep.drill.load import payload


def _plant(folder: Path) -> Path:
    path = folder / "gone.pkl"
    path.write_bytes(payload.poisoned())
    load = "with open(path, 'rb') as file:\n    os.unlink(path)\n    pickle.load(file)"
    return payload.script(folder, path, load, "import os, pickle")


ATTACK = Attack(
    "deletes its file",
    "the file is unlinked between opening and loading, so that nobody can look at it",
    "LOAD001",
    _plant,
    incident=(8,),
)
