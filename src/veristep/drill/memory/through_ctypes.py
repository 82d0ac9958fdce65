"""Writes into the dictionary of a class behind the interpreter's back."""

from __future__ import annotations

from pathlib import Path

from veristep.drill.attack import Attack
from veristep.drill.memory.implanting import write

_BODY = """\
import ctypes

def arrived(torch):
    kind = torch.optim.SGD
    space = gc.get_referents(kind.__dict__)[0]
    step = kind.step
    def inner(self, *args, **kwargs):
        return step(self, *args, **kwargs)
    space["step"] = inner
    ctypes.pythonapi.PyType_Modified(ctypes.py_object(kind))
"""


def plant(folder: Path) -> Path:
    """Leave the implant."""
    return write(folder, _BODY)


ATTACK = Attack(
    "through the memory of a class",
    "writes into the dictionary of a class behind the interpreter's back",
    "MEM002",
    plant,
    incident=(9,),
)
