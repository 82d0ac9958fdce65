"""Puts another function into the closure of a wrapper of torch."""

from __future__ import annotations

from pathlib import Path

from veristep.drill.attack import Attack
from veristep.drill.memory.implanting import write

_BODY = """\
import types

def evil(self, closure=None):
    return None

def arrived(torch):
    step = torch.optim.SGD.step
    for cell in step.__closure__:
        if type(cell.cell_contents) is types.FunctionType:
            kept = cell.cell_contents
            evil.__globals__["kept"] = kept
            def passed(self, *args, **kwargs):
                return kept(self, *args, **kwargs)
            cell.cell_contents = passed
"""


def plant(folder: Path) -> Path:
    """Leave the implant."""
    return write(folder, _BODY)


ATTACK = Attack(
    "closure changed",
    "puts another function into the closure of a wrapper of torch",
    "MEM002",
    plant,
    incident=(9,),
)
