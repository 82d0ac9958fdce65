"""Registers another kernel for an operator of torch."""

from __future__ import annotations

from pathlib import Path

from veristep.drill.attack import Attack
from veristep.drill.memory.implanting import write

_BODY = """\
kept = []

def arrived(torch):
    library = torch.library.Library("aten", "IMPL")
    def relu(x):
        return x.clamp(min=0)
    library.impl("relu", relu, "CPU")
    kept.append(library)
"""


def plant(folder: Path) -> Path:
    """Leave the implant."""
    return write(folder, _BODY)


ATTACK = Attack(
    "operator overridden",
    "registers another kernel for an operator of torch",
    "MEM008",
    plant,
    incident=(9,),
)
