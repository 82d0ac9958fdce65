"""Registers a hook on the backward of one layer."""

from __future__ import annotations

from pathlib import Path

from veristep.drill.attack import Attack
from veristep.drill.memory.implanting import write

_BODY = """\
def arrived(torch):
    def act(layer):
        layer.register_full_backward_hook(lambda module, given, got: None)
    later(torch.nn.Linear, act)
"""


def plant(folder: Path) -> Path:
    """Leave the implant."""
    return write(folder, _BODY)


ATTACK = Attack(
    "backward hook",
    "registers a hook on the backward of one layer",
    "MEM006",
    plant,
    incident=(9,),
)
