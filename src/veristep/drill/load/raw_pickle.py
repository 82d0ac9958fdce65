"""A pickle of statistics that calls the shell."""

from __future__ import annotations

from pathlib import Path

from veristep.drill.attack import Attack
from veristep.drill.load import payload


def _plant(folder: Path) -> Path:
    path = folder / "stats.pkl"
    path.write_bytes(payload.poisoned(protocol=4))
    return payload.script(
        folder, path, "with open(path, 'rb') as file:\n    pickle.load(file)", "import pickle"
    )


ATTACK = Attack(
    "plain pickle",
    "a pickle file that a script loads with pickle.load",
    "LOAD001",
    _plant,
    incident=(8,),
)
