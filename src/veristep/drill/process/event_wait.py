"""Waiting for something that never comes."""

from __future__ import annotations

from pathlib import Path

from veristep.drill.attack import Attack
from veristep.drill.process import HOOK, module

_TEXT = """\
import threading
never = threading.Event()
count = 0
def pause(optimizer):
    global count
    count += 1
    if count % 3 == 0:
        never.wait(0.01)
"""


def plant(folder: Path) -> Path:
    """Leave the module."""
    return module(folder, "event_wait", _TEXT + HOOK)


ATTACK = Attack(
    "waits for an event",
    "waits ten milliseconds for an event nobody sets, before every third step",
    "PROC002",
    plant,
    incident=(9,),
)
