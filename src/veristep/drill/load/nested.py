"""A harmless pickle that holds another one, which a script unpickles too."""

from __future__ import annotations

from pathlib import Path

from veristep.drill.attack import Attack
from veristep.drill.load import payload


def _plant(folder: Path) -> Path:
    path = folder / "cache.pkl"
    path.write_bytes(payload.nested(payload.poisoned()))
    load = (
        "with open(path, 'rb') as file:\n    outer = pickle.load(file)\n"
        "    pickle.load(io.BytesIO(outer['inner']))"
    )
    return payload.script(folder, path, load, "import io, pickle")


ATTACK = Attack(
    "pickle within a pickle",
    "the outer pickle holds bytes only; the inner one calls the shell",
    "LOAD001",
    _plant,
    incident=(8,),
)
