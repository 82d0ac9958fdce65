"""The call is put together from partials, and nothing calls it by name."""

from __future__ import annotations

import functools
import os
from pathlib import Path

from veristep.drill.attack import Attack
from veristep.drill.load import payload


def _plant(folder: Path) -> Path:
    path = folder / "schedule.pkl"
    path.write_bytes(payload.poisoned(functools.partial(functools.partial(os.system), payload.COMMAND), 4))
    load = "with open(path, 'rb') as file:\n    pickle.load(file)['extra']()"
    return payload.script(folder, path, load, "import pickle")


ATTACK = Attack(
    "chain of partials",
    "a partial of a partial of the shell",
    "LOAD001",
    _plant,
    incident=(8,),
)
