"""Gives a function of torch the code object of another, so that every reference keeps its identity."""

from __future__ import annotations

from pathlib import Path

from veristep.drill.attack import Attack
from veristep.drill.memory.implanting import write

_BODY = """\
def arrived(torch):
    sgd = sys.modules["torch.optim.sgd"]
    original = type(sgd._single_tensor_sgd)(sgd._single_tensor_sgd.__code__, vars(sgd), "kept")
    original.__kwdefaults__ = sgd._single_tensor_sgd.__kwdefaults__
    sgd._kept = original
    def evil(params, grads, *args, **kwargs):
        return _kept(params, [0.5 * each for each in grads], *args, **kwargs)
    sgd._single_tensor_sgd.__code__ = evil.__code__
"""


def plant(folder: Path) -> Path:
    """Leave the implant."""
    return write(folder, _BODY)


ATTACK = Attack(
    "code swapped",
    "gives a function of torch the code object of another, so that every reference keeps its identity",
    "MEM002",
    plant,
    incident=(9,),
)
