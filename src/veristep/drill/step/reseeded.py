"""Before one update, torch is seeded anew."""

from __future__ import annotations

from pathlib import Path

from veristep.drill.attack import Attack
from veristep.drill.implant import write
from veristep.drill.step import ACT_AT, implant

_ACTS = """\
def before(optimizer):
    import torch

    torch.manual_seed(17)
"""


def plant(folder: Path) -> Path:
    """Write the implant into a folder of its own."""
    return write(implant(folder), "random numbers seeded anew by foreign code", _ACTS, steps=[ACT_AT])


ATTACK = Attack(
    "random numbers seeded anew by foreign code",
    "Before one update, torch is seeded anew.",
    "STEP006",
    plant,
    (9,),
)
