"""A file that is clean when it is checked, and another when it is loaded."""

from __future__ import annotations

import pickle
from pathlib import Path

from veristep.drill.attack import Attack
from veristep.drill.load import payload


def _plant(folder: Path) -> Path:
    path, other = folder / "weights.pkl", folder / "weights.pkl.new"
    path.write_bytes(pickle.dumps({"epoch": 3}))
    other.write_bytes(payload.poisoned())
    load = (
        "assert b'system' not in open(path, 'rb').read()\n"
        "os.replace(path + '.new', path)\nwith open(path, 'rb') as file:\n    pickle.load(file)"
    )
    return payload.script(folder, path, load, "import os, pickle")


ATTACK = Attack(
    "swapped after a check",
    "the file is replaced between a check of its digest and the load",
    "LOAD001",
    _plant,
    incident=(8,),
)
