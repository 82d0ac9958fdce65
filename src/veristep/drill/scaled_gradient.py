"""Rehearsal: at a few steps the gradients are a little too large.

The implant scales what backward left in ``.grad``, after clipping and before the update: with two per cent
no curve shows it.
"""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

from veristep.drill.implant import write

_ACTS = """\
def gradients(optimizer):
    for p in chosen(optimizer):
        if p.grad is not None:
            p.grad.mul_(AMOUNT)
"""


def plant(
    folder: Path,
    *,
    steps: Collection[int],
    tensor: int | None = None,
    rank: int | None = None,
    amount: float = 1.02,
) -> Path:
    """Write the implant; `amount` is the factor. See `implant.write` for the other arguments."""
    return write(
        folder, "it scales some gradients", _ACTS, steps=steps, tensor=tensor, rank=rank, amount=amount
    )
