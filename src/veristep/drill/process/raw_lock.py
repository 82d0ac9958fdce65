"""A lock nobody holds twice, taken twice."""

from __future__ import annotations

from pathlib import Path

from veristep.drill.attack import Attack
from veristep.drill.process import HOOK, module

_TEXT = """\
import _thread
lock = _thread.allocate_lock()
lock.acquire()
count = 0
def pause(optimizer):
    global count
    count += 1
    if count % 3 == 0:
        lock.acquire(True, 0.01)
"""


def plant(folder: Path) -> Path:
    """Leave the module."""
    return module(folder, "raw_lock", _TEXT + HOOK)


ATTACK = Attack(
    "waits for a lock",
    "takes a lock that it holds, with a time-out of ten milliseconds",
    "PROC002",
    plant,
    incident=(9,),
)
