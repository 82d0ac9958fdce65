"""Has a timer interrupt the training, and a handler act."""

from __future__ import annotations

from pathlib import Path

from veristep.drill.attack import Attack
from veristep.drill.memory.implanting import write

_BODY = """\
import signal

def handler(number, frame):
    pass

def arrived(torch):
    signal.signal(signal.SIGALRM, handler)
    signal.setitimer(signal.ITIMER_REAL, 1.0, 1.0)
"""


def plant(folder: Path) -> Path:
    """Leave the implant."""
    return write(folder, _BODY)


ATTACK = Attack(
    "timer and signal handler",
    "has a timer interrupt the training, and a handler act",
    "MEM009",
    plant,
    incident=(9,),
)
