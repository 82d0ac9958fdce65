"""Registers a hook that torch calls at every forward."""

from __future__ import annotations

from pathlib import Path

from veristep.drill.attack import Attack
from veristep.drill.memory.implanting import write

_BODY = """\
def arrived(torch):
    torch.nn.modules.module.register_module_forward_hook(lambda module, args, result: result * 1.0)
"""


def plant(folder: Path) -> Path:
    """Leave the implant."""
    return write(folder, _BODY)


ATTACK = Attack(
    "hook on all modules",
    "registers a hook that torch calls at every forward",
    "MEM006",
    plant,
    incident=(9,),
)
