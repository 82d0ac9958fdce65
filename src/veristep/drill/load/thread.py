"""A load on a thread of its own, as prefetching loaders do."""

from __future__ import annotations

from pathlib import Path

from veristep.drill.attack import Attack
from veristep.drill.load import payload


def _plant(folder: Path) -> Path:
    path = folder / "batch.pkl"
    path.write_bytes(payload.poisoned())
    load = (
        "def work():\n    with open(path, 'rb') as file:\n        pickle.load(file)\n"
        "thread = threading.Thread(target=work)\nthread.start()\nthread.join()"
    )
    return payload.script(folder, path, load, "import pickle, threading")


ATTACK = Attack(
    "in a thread",
    "the load happens on a background thread",
    "LOAD001",
    _plant,
    incident=(8,),
)
