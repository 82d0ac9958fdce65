"""Between backward and one update, the gradient of one tensor is scaled by 1.1."""

from __future__ import annotations

from pathlib import Path

from veristep.drill.attack import Attack
from veristep.drill.implant import write
from veristep.drill.step import ACT_AT, implant

_ACTS = """\
def gradients(optimizer):
    for p in chosen(optimizer):
        p.grad.mul_(1.1)
"""


def plant(folder: Path) -> Path:
    """Write the implant into a folder of its own."""
    return write(implant(folder), "one gradient scaled before an update", _ACTS, steps=[ACT_AT], tensor=0)


ATTACK = Attack(
    "one gradient scaled before an update",
    "Between backward and one update, the gradient of one tensor is scaled by 1.1.",
    "STEP004",
    plant,
    (9,),
)
