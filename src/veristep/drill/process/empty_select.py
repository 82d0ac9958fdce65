"""Waiting for no file at all."""

from __future__ import annotations

from pathlib import Path

from veristep.drill.attack import Attack
from veristep.drill.process import HOOK, module

_TEXT = """\
import select
count = 0
def pause(optimizer):
    global count
    count += 1
    if count % 3 == 0:
        select.select([], [], [], 0.01)
"""


def plant(folder: Path) -> Path:
    """Leave the module."""
    return module(folder, "empty_select", _TEXT + HOOK)


ATTACK = Attack(
    "waits for no file",
    "calls select without files, for ten milliseconds",
    "PROC002",
    plant,
    incident=(9,),
)
