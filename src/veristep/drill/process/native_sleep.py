"""A sleep in the C library."""

from __future__ import annotations

from pathlib import Path

from veristep.drill.attack import Attack
from veristep.drill.process import HOOK, module

_TEXT = """\
import ctypes
library = ctypes.CDLL(None)
count = 0
def pause(optimizer):
    global count
    count += 1
    if count % 3 == 0:
        library.usleep(10000)
"""


def plant(folder: Path) -> Path:
    """Leave the module."""
    return module(folder, "native_sleep", _TEXT + HOOK)


ATTACK = Attack(
    "sleep in C",
    "calls usleep of the C library through ctypes",
    "PROC002",
    plant,
    incident=(9,),
)
