"""One late update goes the wrong way, in every tensor."""

from __future__ import annotations

from pathlib import Path

from veristep.drill.attack import Attack
from veristep.drill.implant import write
from veristep.drill.step import ACT_AT, implant

_ACTS = """\
def update(optimizer, do):
    import torch

    old = [p.detach().clone() for p in chosen(optimizer)]
    result = do()
    with torch.no_grad():
        for p, was in zip(chosen(optimizer), old):
            p.copy_(was - (p - was))
    return result
"""


def plant(folder: Path) -> Path:
    """Write the implant into a folder of its own."""
    return write(implant(folder), "update reversed at one late step", _ACTS, steps=[ACT_AT])


ATTACK = Attack(
    "update reversed at one late step",
    "One late update goes the wrong way, in every tensor.",
    "STEP002",
    plant,
    (9,),
)
