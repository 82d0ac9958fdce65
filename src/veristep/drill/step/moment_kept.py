"""One update leaves the second moment of the optimizer as it was."""

from __future__ import annotations

from pathlib import Path

from veristep.drill.attack import Attack
from veristep.drill.implant import write
from veristep.drill.step import ACT_AT, implant

_ACTS = """\
def update(optimizer, do):
    states = [optimizer.state[p] for p in chosen(optimizer)]
    old = [state["exp_avg_sq"].clone() for state in states]
    result = do()
    for state, was in zip(states, old):
        state["exp_avg_sq"].copy_(was)
    return result
"""


def plant(folder: Path) -> Path:
    """Write the implant into a folder of its own."""
    return write(implant(folder), "second moment not moved by one update", _ACTS, steps=[ACT_AT])


ATTACK = Attack(
    "second moment not moved by one update",
    "One update leaves the second moment of the optimizer as it was.",
    "STEP002",
    plant,
    (9,),
)
