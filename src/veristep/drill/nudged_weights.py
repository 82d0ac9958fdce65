"""Rehearsal: between some steps one layer's weights move by a millionth.

The implant adds to one parameter after an update is over and before the next step begins: too little for
any curve, enough to be another model.
"""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

from veristep.drill.implant import write

_ACTS = """\
def after(optimizer):
    import torch

    with torch.no_grad():
        for p in chosen(optimizer):
            p.add_(AMOUNT)
"""


def plant(
    folder: Path,
    *,
    steps: Collection[int],
    tensor: int | None = 0,
    rank: int | None = None,
    amount: float = 1e-6,
) -> Path:
    """Write the implant; it nudges after the given steps, by `amount`. See `implant.write` for the rest."""
    return write(
        folder, "it nudges some weights", _ACTS, steps=steps, tensor=tensor, rank=rank, amount=amount
    )
