"""Before one update, the generator is put back to where it was ten updates before."""

from __future__ import annotations

from pathlib import Path

from veristep.drill.attack import Attack
from veristep.drill.implant import write
from veristep.drill.step import ACT_AT, implant

_ACTS = """\
kept = []


def arrived():
    STEPS.add(40)


def before(optimizer):
    import torch

    if not kept:
        kept.append(torch.default_generator.get_state())
    else:
        torch.default_generator.set_state(kept[0])
"""


def plant(folder: Path) -> Path:
    """Write the implant into a folder of its own."""
    return write(
        implant(folder), "random states put back to those of an earlier step", _ACTS, steps=[ACT_AT]
    )


ATTACK = Attack(
    "random states put back to those of an earlier step",
    "Before one update, the generator is put back to where it was ten updates before.",
    "STEP006",
    plant,
    (9,),
)
