"""Patches at the hundredth update only."""

from __future__ import annotations

from pathlib import Path

from veristep.drill.attack import Attack
from veristep.drill.memory.implanting import write

_BODY = """\
count = [0]

def arrived(torch):
    def before(optimizer, args, kwargs):
        count[0] += 1
        if count[0] == 100:
            step = torch.optim.SGD.step
            torch.optim.SGD.step = lambda self, *args, **kwargs: step(self, *args, **kwargs)
    sys.modules["torch.optim.optimizer"].register_optimizer_step_pre_hook(before)
"""


def plant(folder: Path) -> Path:
    """Leave the implant."""
    return write(folder, _BODY)


ATTACK = Attack(
    "from a step on",
    "patches at the hundredth update only",
    "MEM002",
    plant,
    incident=(9,),
)
