"""Before one update, the generator itself is seeded anew, past the functions that do so."""

from __future__ import annotations

from pathlib import Path

from veristep.drill.attack import Attack
from veristep.drill.implant import write
from veristep.drill.step import ACT_AT, implant

_ACTS = """\
def before(optimizer):
    import torch

    torch.default_generator.manual_seed(17)
"""


def plant(folder: Path) -> Path:
    """Write the implant into a folder of its own."""
    return write(implant(folder), "generator seeded below the functions for it", _ACTS, steps=[ACT_AT])


ATTACK = Attack(
    "generator seeded below the functions for it",
    "Before one update, the generator itself is seeded anew, past the functions that do so.",
    "STEP006",
    plant,
    (9,),
)
