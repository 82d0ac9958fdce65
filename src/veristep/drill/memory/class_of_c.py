"""Replaces a method of a class of C that the interpreter does not let be set."""

from __future__ import annotations

from pathlib import Path

from veristep.drill.attack import Attack
from veristep.drill.memory.implanting import write

_BODY = """\
import ctypes

def arrived(torch):
    kind = torch._C.TensorBase
    space = gc.get_referents(kind.__dict__)[0]
    original = space["sub_"]
    def sub_(self, *args, **kwargs):
        return original(self, *args, **kwargs)
    space["sub_"] = sub_
    ctypes.pythonapi.PyType_Modified(ctypes.py_object(kind))
"""


def plant(folder: Path) -> Path:
    """Leave the implant."""
    return write(folder, _BODY)


ATTACK = Attack(
    "class of C",
    "replaces a method of a class of C that the interpreter does not let be set",
    "MEM002",
    plant,
    incident=(9,),
)
