"""A function of torch.nn answers otherwise from some update on."""

from __future__ import annotations

from pathlib import Path

from veristep.drill.attack import Attack
from veristep.drill.implant import write
from veristep.drill.step import ACT_AT, implant

_ACTS = """\
def before(optimizer):
    from torch.nn import functional

    true = functional.layer_norm

    def layer_norm(*args, **kwargs):
        return true(*args, **kwargs) * 1.0001

    functional.layer_norm = layer_norm
"""


def plant(folder: Path) -> Path:
    """Write the implant into a folder of its own."""
    return write(implant(folder), "a function of torch patched", _ACTS, steps=[ACT_AT])


ATTACK = Attack(
    "a function of torch patched",
    "From one update on, layer normalisation answers 0.01 % too high.",
    "STEP008",
    plant,
    (9,),
)
