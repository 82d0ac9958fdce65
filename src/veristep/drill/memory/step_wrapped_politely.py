"""Wraps the step of an optimizer class and gives the wrapper its name, module and text."""

from __future__ import annotations

from pathlib import Path

from veristep.drill.attack import Attack
from veristep.drill.memory.implanting import write

_BODY = """\
import functools

def arrived(torch):
    step = torch.optim.SGD.step
    @functools.wraps(step)
    def inner(self, *args, **kwargs):
        return step(self, *args, **kwargs)
    torch.optim.SGD.step = inner
"""


def plant(folder: Path) -> Path:
    """Leave the implant."""
    return write(folder, _BODY)


ATTACK = Attack(
    "step wrapped with functools.wraps",
    "wraps the step of an optimizer class and gives the wrapper its name, module and text",
    "MEM002",
    plant,
    incident=(9,),
)
