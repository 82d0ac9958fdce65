"""A hook registered on the optimizer changes weights after one update."""

from __future__ import annotations

from pathlib import Path

from veristep.drill.attack import Attack
from veristep.drill.implant import write
from veristep.drill.step import ACT_AT, implant

_ACTS = """\
STEPS.add(45)
hooked = []


def before(optimizer):
    if not hooked:
        hooked.append(optimizer.register_step_post_hook(hook))


def hook(optimizer, args, kwargs):
    import torch

    if taken == 50:
        with torch.no_grad():
            for p in chosen(optimizer):
                p.mul_(1.001)
"""


def plant(folder: Path) -> Path:
    """Write the implant into a folder of its own."""
    return write(implant(folder), "a hook on the optimizer nudges weights", _ACTS, steps=[ACT_AT])


ATTACK = Attack(
    "a hook on the optimizer nudges weights",
    "A hook registered on the optimizer changes weights after one update.",
    "STEP003",
    plant,
    (9,),
)
