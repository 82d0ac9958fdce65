"""Registers a hook that torch calls before every update."""

from __future__ import annotations

from pathlib import Path

from veristep.drill.attack import Attack
from veristep.drill.memory.implanting import write

_BODY = """\
def arrived(torch):
    def before(optimizer, args, kwargs):
        for group in optimizer.param_groups:
            for p in group["params"]:
                p.grad.mul_(0.999)
    sys.modules["torch.optim.optimizer"].register_optimizer_step_pre_hook(before)
"""


def plant(folder: Path) -> Path:
    """Leave the implant."""
    return write(folder, _BODY)


ATTACK = Attack(
    "hook on all optimizers",
    "registers a hook that torch calls before every update",
    "MEM006",
    plant,
    incident=(9,),
)
