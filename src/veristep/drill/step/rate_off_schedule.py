"""The learning rate is 5 % higher than scheduled at one update, and put back after it."""

from __future__ import annotations

from pathlib import Path

from veristep.drill.attack import Attack
from veristep.drill.implant import write
from veristep.drill.step import ACT_AT, implant

_ACTS = """\
kept = []


def before(optimizer):
    kept[:] = [group["lr"] for group in optimizer.param_groups]
    for group in optimizer.param_groups:
        group["lr"] *= 1.05


def after(optimizer):
    for group, rate in zip(optimizer.param_groups, kept):
        group["lr"] = rate
"""


def plant(folder: Path) -> Path:
    """Write the implant into a folder of its own."""
    return write(implant(folder), "learning rate off its schedule at one update", _ACTS, steps=[ACT_AT])


ATTACK = Attack(
    "learning rate off its schedule at one update",
    "The learning rate is 5 % higher than scheduled at one update, and put back after it.",
    "STEP005",
    plant,
    (9,),
)
