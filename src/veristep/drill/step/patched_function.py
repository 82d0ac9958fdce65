"""The function that computes the update is exchanged before one update and put back after it."""

from __future__ import annotations

from pathlib import Path

from veristep.drill.attack import Attack
from veristep.drill.implant import write
from veristep.drill.step import ACT_AT, implant

_ACTS = """\
def update(optimizer, do):
    adam = sys.modules["torch.optim.adam"]
    true = adam._single_tensor_adam

    def shorter(params, *args, **kwargs):
        import torch

        old = [p.detach().clone() for p in params]
        true(params, *args, **kwargs)
        with torch.no_grad():
            for p, was in zip(params, old):
                p.lerp_(was, 0.3)

    adam._single_tensor_adam = shorter
    try:
        return do()
    finally:
        adam._single_tensor_adam = true
"""


def plant(folder: Path) -> Path:
    """Write the implant into a folder of its own."""
    return write(
        implant(folder), "the function behind the optimizer patched for one update", _ACTS, steps=[ACT_AT]
    )


ATTACK = Attack(
    "the function behind the optimizer patched for one update",
    "The function that computes the update is exchanged before one update and put back after it.",
    "STEP002",
    plant,
    (9,),
)
