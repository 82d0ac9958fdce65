"""A compressed joblib file."""

from __future__ import annotations

import zlib
from pathlib import Path

from veristep.drill.attack import Attack
from veristep.drill.load import payload


def _plant(folder: Path) -> Path:
    path = folder / "scaler.joblib"
    path.write_bytes(zlib.compress(payload.poisoned(protocol=4), 3))
    return payload.script(folder, path, "joblib.load(path)", "import joblib")


ATTACK = Attack(
    "compressed joblib file",
    "a scaler kept with joblib, compressed with zlib",
    "LOAD001",
    _plant,
    incident=(8,),
)
