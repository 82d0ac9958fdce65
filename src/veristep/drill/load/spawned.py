"""A load in a worker process that was started anew."""

from __future__ import annotations

from pathlib import Path

from veristep.drill.attack import Attack
from veristep.drill.load import payload


def _plant(folder: Path) -> Path:
    path = folder / "shard.pkl"
    path.write_bytes(payload.poisoned())
    head = (
        "import multiprocessing, pickle\ndef work(path):\n"
        "    with open(path, 'rb') as file:\n        pickle.load(file)"
    )
    load = (
        "child = multiprocessing.get_context('spawn').Process(target=work, args=(path,))\n"
        "child.start()\nchild.join()"
    )
    return payload.script(folder, path, load, head)


ATTACK = Attack(
    "in a spawned worker",
    "a worker process started anew loads the file",
    "LOAD001",
    _plant,
    incident=(8,),
)
