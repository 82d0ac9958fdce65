"""Gives the standard library another shuffle."""

from __future__ import annotations

from pathlib import Path

from veristep.drill.attack import Attack
from veristep.drill.memory.implanting import write

_BODY = """\
import random

def shuffle(self, x):
    x.sort()

def arrived(torch):
    random.Random.shuffle = shuffle
"""


def plant(folder: Path) -> Path:
    """Leave the implant."""
    return write(folder, _BODY)


ATTACK = Attack(
    "shuffle biased",
    "gives the standard library another shuffle",
    "MEM002",
    plant,
    incident=(10,),
)
