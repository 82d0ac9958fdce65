"""Gives one layer a forward of its own."""

from __future__ import annotations

from pathlib import Path

from veristep.drill.attack import Attack
from veristep.drill.memory.implanting import write

_BODY = """\
def arrived(torch):
    def act(layer):
        forward = layer.forward
        layer.forward = lambda x: forward(x) * 1.0001
    later(torch.nn.Linear, act)
"""


def plant(folder: Path) -> Path:
    """Leave the implant."""
    return write(folder, _BODY)


ATTACK = Attack(
    "forward of one object",
    "gives one layer a forward of its own",
    "MEM005",
    plant,
    incident=(9,),
)
