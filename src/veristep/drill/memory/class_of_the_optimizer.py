"""Gives a living optimizer another class."""

from __future__ import annotations

from pathlib import Path

from veristep.drill.attack import Attack
from veristep.drill.memory.implanting import write

_BODY = """\
def arrived(torch):
    class SGD(torch.optim.SGD):
        def step(self, closure=None):
            return super().step(closure)
    def act(optimizer):
        optimizer.__class__ = SGD
    later(torch.optim.Optimizer, act)
"""


def plant(folder: Path) -> Path:
    """Leave the implant."""
    return write(folder, _BODY)


ATTACK = Attack(
    "class of the optimizer swapped",
    "gives a living optimizer another class",
    "MEM004",
    plant,
    incident=(9,),
)
