"""Has the interpreter call a function at every call."""

from __future__ import annotations

from pathlib import Path

from veristep.drill.attack import Attack
from veristep.drill.memory.implanting import write

_BODY = """\
def trace(frame, event, arg):
    return None

def arrived(torch):
    sys.settrace(trace)
"""


def plant(folder: Path) -> Path:
    """Leave the implant."""
    return write(folder, _BODY)


ATTACK = Attack(
    "trace function",
    "has the interpreter call a function at every call",
    "MEM009",
    plant,
    incident=(9,),
)
