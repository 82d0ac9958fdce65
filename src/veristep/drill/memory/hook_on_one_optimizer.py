"""Registers a hook on one optimizer."""

from __future__ import annotations

from pathlib import Path

from veristep.drill.attack import Attack
from veristep.drill.memory.implanting import write

_BODY = """\
def arrived(torch):
    def act(optimizer):
        optimizer.register_step_post_hook(lambda *args: None)
    later(torch.optim.Optimizer, act)
"""


def plant(folder: Path) -> Path:
    """Leave the implant."""
    return write(folder, _BODY)


ATTACK = Attack(
    "hook on one optimizer",
    "registers a hook on one optimizer",
    "MEM006",
    plant,
    incident=(9,),
)
