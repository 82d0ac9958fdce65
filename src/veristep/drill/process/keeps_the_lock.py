"""A sleep that keeps the interpreter's lock."""

from __future__ import annotations

from pathlib import Path

from veristep.drill.attack import Attack
from veristep.drill.process import HOOK, module

_TEXT = """\
import ctypes
library = ctypes.PyDLL(None)
count = 0
def pause(optimizer):
    global count
    count += 1
    if count == 45:
        for _ in range(4):
            library.usleep(600000)
"""


def plant(folder: Path) -> Path:
    """Leave the module."""
    return module(folder, "keeps_the_lock", _TEXT + HOOK)


ATTACK = Attack(
    "sleep that keeps the lock",
    "calls usleep through ctypes without letting go of the interpreter's lock",
    "PROC001",
    plant,
    incident=(9,),
)
