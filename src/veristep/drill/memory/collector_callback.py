"""Has the garbage collector call a function."""

from __future__ import annotations

from pathlib import Path

from veristep.drill.attack import Attack
from veristep.drill.memory.implanting import write

_BODY = """\
def arrived(torch):
    gc.callbacks.append(lambda phase, info: None)
"""


def plant(folder: Path) -> Path:
    """Leave the implant."""
    return write(folder, _BODY)


ATTACK = Attack(
    "callback of the collector",
    "has the garbage collector call a function",
    "MEM009",
    plant,
    incident=(9,),
)
