"""A tensor hook that sleeps."""

from __future__ import annotations

from pathlib import Path

from veristep.drill.attack import Attack
from veristep.drill.process import module

_TEXT = """\
import time
seen = set()
count = 0
def pause(optimizer):
    global count
    count += 1
    if count % 3 == 0:
        time.sleep(0.01)
def register(optimizer):
    for group in optimizer.param_groups:
        for parameter in group["params"]:
            if id(parameter) not in seen:
                seen.add(id(parameter))
                parameter.register_hook(lambda grad: pause(None))
from torch.optim.optimizer import register_optimizer_step_post_hook as _post
_post(lambda optimizer, args, kwargs: register(optimizer))
"""


def plant(folder: Path) -> Path:
    """Leave the module."""
    return module(folder, "backward_hook", _TEXT)


ATTACK = Attack(
    "sleep in backward",
    "sleeps in a hook on the gradient of a parameter",
    "PROC002",
    plant,
    incident=(9,),
)
