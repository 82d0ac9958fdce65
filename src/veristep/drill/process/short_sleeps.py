"""Short sleeps, every third step."""

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
    if count % 3 == 0:
        time.sleep(0.01)
"""


def plant(folder: Path) -> Path:
    """Leave the module."""
    return module(folder, "short_sleeps", _TEXT + HOOK)


ATTACK = Attack(
    "short sleeps",
    "sleeps ten milliseconds before every third step",
    "PROC002",
    plant,
    incident=(9, 10),
)
