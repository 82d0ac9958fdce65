"""The learning rate is 5 % higher while one update runs, and right before and after."""

from __future__ import annotations

from pathlib import Path

from veristep.drill.attack import Attack
from veristep.drill.implant import write
from veristep.drill.step import ACT_AT, implant

_ACTS = """\
def update(optimizer, do):
    rates = [group["lr"] for group in optimizer.param_groups]
    for group in optimizer.param_groups:
        group["lr"] *= 1.05
    try:
        return do()
    finally:
        for group, rate in zip(optimizer.param_groups, rates):
            group["lr"] = rate
"""


def plant(folder: Path) -> Path:
    """Write the implant into a folder of its own."""
    return write(implant(folder), "learning rate times 1.05 inside one update", _ACTS, steps=[ACT_AT])


ATTACK = Attack(
    "learning rate times 1.05 inside one update",
    "The learning rate is 5 % higher while one update runs, and right before and after.",
    "STEP002",
    plant,
    (9,),
)
