"""Weight decay is off while one update runs."""

from __future__ import annotations

from pathlib import Path

from veristep.drill.attack import Attack
from veristep.drill.implant import write
from veristep.drill.step import ACT_AT, implant

_ACTS = """\
def update(optimizer, do):
    decays = [group["weight_decay"] for group in optimizer.param_groups]
    for group in optimizer.param_groups:
        group["weight_decay"] = 0.0
    try:
        return do()
    finally:
        for group, decay in zip(optimizer.param_groups, decays):
            group["weight_decay"] = decay
"""


def plant(folder: Path) -> Path:
    """Write the implant into a folder of its own."""
    return write(implant(folder), "weight decay left out of one update", _ACTS, steps=[ACT_AT])


ATTACK = Attack(
    "weight decay left out of one update",
    "Weight decay is off while one update runs.",
    "STEP002",
    plant,
    (9,),
)
