"""A numpy file of objects."""

from __future__ import annotations

from pathlib import Path

from veristep.drill.attack import Attack
from veristep.drill.load import payload


def _plant(folder: Path) -> Path:
    path = folder / "labels.npy"
    header = b"{'descr': '|O', 'fortran_order': False, 'shape': (1,), }"
    padded = header + b" " * (64 - (len(header) + 11) % 64) + b"\n"
    start = b"\x93NUMPY\x01\x00" + len(padded).to_bytes(2, "little")
    path.write_bytes(start + padded + payload.poisoned())
    return payload.script(folder, path, "np.load(path, allow_pickle=True)", "import numpy as np")


ATTACK = Attack(
    "numpy object array",
    "an .npy file of objects, loaded with allow_pickle=True",
    "LOAD001",
    _plant,
    incident=(8,),
)
