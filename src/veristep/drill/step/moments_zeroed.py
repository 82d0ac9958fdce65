"""After one update, the first moment of the optimizer is set to nothing."""

from __future__ import annotations

from pathlib import Path

from veristep.drill.attack import Attack
from veristep.drill.implant import write
from veristep.drill.step import ACT_AT, implant

_ACTS = """\
def after(optimizer):
    for state in optimizer.state.values():
        state["exp_avg"].zero_()
"""


def plant(folder: Path) -> Path:
    """Write the implant into a folder of its own."""
    return write(implant(folder), "optimizer state zeroed between updates", _ACTS, steps=[ACT_AT])


ATTACK = Attack(
    "optimizer state zeroed between updates",
    "After one update, the first moment of the optimizer is set to nothing.",
    "STEP003",
    plant,
    (9,),
)
