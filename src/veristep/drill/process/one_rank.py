"""Short sleeps on one rank only."""

from __future__ import annotations

from pathlib import Path

from veristep.drill.attack import Attack
from veristep.drill.process import HOOK, module

_TEXT = """\
import os, time
count = 0
def pause(optimizer):
    global count
    count += 1
    if count % 3 == 0 and os.environ.get("RANK") == "1":
        time.sleep(0.01)
"""


def plant(folder: Path) -> Path:
    """Leave the module."""
    return module(folder, "one_rank", _TEXT + HOOK)


ATTACK = Attack(
    "sleep on one rank",
    "sleeps before every third step, only on rank 1 of several",
    "PROC002",
    plant,
    incident=(9, 10),
)
