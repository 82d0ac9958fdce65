"""Gives one optimizer a step of its own."""

from __future__ import annotations

from pathlib import Path

from veristep.drill.attack import Attack
from veristep.drill.memory.implanting import write

_BODY = """\
def arrived(torch):
    def act(optimizer):
        step = optimizer.step
        optimizer.step = lambda *args: step(*args)
    later(torch.optim.Optimizer, act)
"""


def plant(folder: Path) -> Path:
    """Leave the implant."""
    return write(folder, _BODY)


ATTACK = Attack(
    "step of one object",
    "gives one optimizer a step of its own",
    "MEM005",
    plant,
    incident=(9,),
)
