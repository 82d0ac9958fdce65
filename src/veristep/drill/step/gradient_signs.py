"""Between backward and one update, every other coordinate of the gradients changes its sign."""

from __future__ import annotations

from pathlib import Path

from veristep.drill.attack import Attack
from veristep.drill.implant import write
from veristep.drill.step import ACT_AT, implant

_ACTS = """\
def gradients(optimizer):
    for p in chosen(optimizer):
        p.grad.view(-1)[::2].neg_()
"""


def plant(folder: Path) -> Path:
    """Write the implant into a folder of its own."""
    return write(
        implant(folder), "some signs of a gradient flipped before an update", _ACTS, steps=[ACT_AT]
    )


ATTACK = Attack(
    "some signs of a gradient flipped before an update",
    "Between backward and one update, every other coordinate of the gradients changes its sign.",
    "STEP004",
    plant,
    (9,),
)
