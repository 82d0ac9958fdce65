"""A child process that sleeps, waited for."""

from __future__ import annotations

from pathlib import Path

from veristep.drill.attack import Attack
from veristep.drill.process import HOOK, module

_TEXT = """\
import subprocess
count = 0
def pause(optimizer):
    global count
    count += 1
    if count % 10 == 0:
        subprocess.run(["sleep", "0.05"])
"""


def plant(folder: Path) -> Path:
    """Leave the module."""
    return module(folder, "child_sleeps", _TEXT + HOOK)


ATTACK = Attack(
    "waits for a child",
    "starts a program that sleeps and waits for it",
    "PROC002",
    plant,
    incident=(9,),
)
