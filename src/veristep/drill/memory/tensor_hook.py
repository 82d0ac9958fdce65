"""Registers a hook on the gradient of one weight."""

from __future__ import annotations

from pathlib import Path

from veristep.drill.attack import Attack
from veristep.drill.memory.implanting import write

_BODY = """\
def arrived(torch):
    def act(layer):
        layer.weight.register_hook(lambda grad: grad * 0.999)
    later(torch.nn.Linear, act)
"""


def plant(folder: Path) -> Path:
    """Leave the implant."""
    return write(folder, _BODY)


ATTACK = Attack(
    "tensor hook",
    "registers a hook on the gradient of one weight",
    "MEM006",
    plant,
    incident=(9,),
)
