"""Replaces the step of an optimizer class by one that halves gradients first."""

from __future__ import annotations

from pathlib import Path

from veristep.drill.attack import Attack
from veristep.drill.memory.implanting import write

_BODY = """\
def halved(step):
    def inner(self, *args, **kwargs):
        for group in self.param_groups:
            for p in group["params"]:
                if p.grad is not None:
                    p.grad.mul_(0.5)
        return step(self, *args, **kwargs)
    return inner

def arrived(torch):
    torch.optim.SGD.step = halved(torch.optim.SGD.step)
"""


def plant(folder: Path) -> Path:
    """Leave the implant."""
    return write(folder, _BODY)


ATTACK = Attack(
    "optimizer step replaced",
    "replaces the step of an optimizer class by one that halves gradients first",
    "MEM002",
    plant,
    incident=(9,),
)
