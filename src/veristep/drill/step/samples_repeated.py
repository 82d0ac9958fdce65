"""In one epoch some samples are drawn twice and others not at all."""

from __future__ import annotations

from pathlib import Path

from veristep.drill.attack import Attack
from veristep.drill.implant import write
from veristep.drill.step import ACT_AT, implant

_ACTS = """\
def arrived():
    from torch.utils.data import RandomSampler

    draw = RandomSampler.__iter__

    def __iter__(self):
        drawn = list(draw(self))
        if taken >= 60:
            drawn[30:36] = drawn[:6]
        return iter(drawn)

    RandomSampler.__iter__ = __iter__
"""


def plant(folder: Path) -> Path:
    """Write the implant into a folder of its own."""
    return write(implant(folder), "samples drawn twice in an epoch", _ACTS, steps=[ACT_AT])


ATTACK = Attack(
    "samples drawn twice in an epoch",
    "In one epoch some samples are drawn twice and others not at all.",
    "STEP007",
    plant,
    (9,),
)
