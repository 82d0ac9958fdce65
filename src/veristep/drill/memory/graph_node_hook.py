"""Registers a hook on the node that accumulates a gradient, to which no attribute leads."""

from __future__ import annotations

from pathlib import Path

from veristep.drill.attack import Attack
from veristep.drill.memory.implanting import write

_BODY = """\
kept = []

def arrived(torch):
    def act(layer):
        node = layer.weight.view_as(layer.weight).grad_fn.next_functions[0][0]
        node.register_prehook(lambda grads: tuple(-each for each in grads))
        kept.append(node)
    later(torch.nn.Linear, act)
"""


def plant(folder: Path) -> Path:
    """Leave the implant."""
    return write(folder, _BODY)


ATTACK = Attack(
    "hook on a node of the graph",
    "registers a hook on the node that accumulates a gradient, to which no attribute leads",
    "MEM006",
    plant,
    incident=(9,),
)
