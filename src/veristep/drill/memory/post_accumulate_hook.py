"""Registers a hook that is called when a gradient has been accumulated."""

from __future__ import annotations

from pathlib import Path

from veristep.drill.attack import Attack
from veristep.drill.memory.implanting import write

_BODY = """\
def arrived(torch):
    def act(layer):
        def hook(p):
            p.grad.mul_(0.999)

        layer.weight.register_post_accumulate_grad_hook(hook)
    later(torch.nn.Linear, act)
"""


def plant(folder: Path) -> Path:
    """Leave the implant."""
    return write(folder, _BODY)


ATTACK = Attack(
    "hook behind accumulation",
    "registers a hook that is called when a gradient has been accumulated",
    "MEM006",
    plant,
    incident=(9,),
)
