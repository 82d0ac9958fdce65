"""Rehearsal: at a few steps the optimizer's update goes the wrong way.

The implant lets the true update happen and then mirrors it around the old parameters, in the tensor it
was told or in all.
"""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

from veristep.drill.implant import write

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


def plant(
    folder: Path, *, steps: Collection[int], tensor: int | None = None, rank: int | None = None
) -> Path:
    """Write the implant; see `implant.write` for the arguments."""
    return write(folder, "it reverses some updates", _ACTS, steps=steps, tensor=tensor, rank=rank)
