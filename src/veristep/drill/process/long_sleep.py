"""One long sleep, at a step of its own choice."""

from __future__ import annotations

from pathlib import Path

from veristep.drill.attack import Attack
from veristep.drill.process import HOOK, module

_TEXT = """\
import time
count = 0
def pause(optimizer):
    global count
    count += 1
    if count == 30:
        time.sleep(1.5)
"""


def plant(folder: Path) -> Path:
    """Leave the module."""
    return module(folder, "long_sleep", _TEXT + HOOK)


ATTACK = Attack(
    "long sleep",
    "sleeps for one and a half seconds at step 30, in a hook on every optimizer",
    "PROC001",
    plant,
    incident=(9,),
)
