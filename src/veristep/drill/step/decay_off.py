"""From one update on, weight decay is off."""

from __future__ import annotations

from pathlib import Path

from veristep.drill.attack import Attack
from veristep.drill.implant import write
from veristep.drill.step import ACT_AT, implant

_ACTS = """\
def before(optimizer):
    for group in optimizer.param_groups:
        group["weight_decay"] = 0.0
"""


def plant(folder: Path) -> Path:
    """Write the implant into a folder of its own."""
    return write(implant(folder), "weight decay switched off for good", _ACTS, steps=[ACT_AT])


ATTACK = Attack(
    "weight decay switched off for good", "From one update on, weight decay is off.", "STEP005", plant, (9,)
)
