"""After one update, noise of 1e-4 is added to the weights."""

from __future__ import annotations

from pathlib import Path

from veristep.drill.attack import Attack
from veristep.drill.implant import write
from veristep.drill.step import ACT_AT, implant

_ACTS = """\
def after(optimizer):
    import torch

    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for p in chosen(optimizer):
            p += 1e-4 * torch.randn(p.shape, generator=generator)
"""


def plant(folder: Path) -> Path:
    """Write the implant into a folder of its own."""
    return write(implant(folder), "weights nudged after an update", _ACTS, steps=[ACT_AT])


ATTACK = Attack(
    "weights nudged after an update",
    "After one update, noise of 1e-4 is added to the weights.",
    "STEP003",
    plant,
    (9,),
)
