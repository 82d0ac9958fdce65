"""From the third epoch on, samples come in the order of the second one."""

from __future__ import annotations

from pathlib import Path

from veristep.drill.attack import Attack
from veristep.drill.implant import write
from veristep.drill.step import ACT_AT, implant

_ACTS = """\
def arrived():
    from torch.utils.data import RandomSampler

    draw, kept = RandomSampler.__iter__, []

    def __iter__(self):
        drawn = list(draw(self))
        if taken >= 20:
            kept.append(drawn)
        return iter(kept[0] if taken >= 40 else drawn)

    RandomSampler.__iter__ = __iter__
"""


def plant(folder: Path) -> Path:
    """Write the implant into a folder of its own."""
    return write(implant(folder), "the same order in every epoch", _ACTS, steps=[ACT_AT])


ATTACK = Attack(
    "the same order in every epoch",
    "From the third epoch on, samples come in the order of the second one.",
    "STEP007",
    plant,
    (9,),
)
