"""Rehearsal: at a few steps the learning rate is not the scheduled one.

The implant multiplies it just before the update and puts it back after, so that schedulers, logs and
checkpoints show nothing.
"""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

from veristep.drill.implant import write

_ACTS = """\
scheduled = []


def before(optimizer):
    scheduled[:] = [group["lr"] for group in optimizer.param_groups]
    for group in optimizer.param_groups:
        group["lr"] = group["lr"] * AMOUNT


def after(optimizer):
    for group, rate in zip(optimizer.param_groups, scheduled):
        group["lr"] = rate
"""


def plant(folder: Path, *, steps: Collection[int], rank: int | None = None, amount: float = 1.5) -> Path:
    """Write the implant; `amount` is the factor. See `implant.write` for the other arguments."""
    return write(folder, "it changes some learning rates", _ACTS, steps=steps, rank=rank, amount=amount)
