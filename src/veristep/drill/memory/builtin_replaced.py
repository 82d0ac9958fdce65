"""Replaces a function of C by one of Python."""

from __future__ import annotations

from pathlib import Path

from veristep.drill.attack import Attack
from veristep.drill.memory.implanting import write

_BODY = """\
def arrived(torch):
    original = torch._foreach_add_
    def _foreach_add_(tensors, *args, **kwargs):
        return original(tensors, *args, **kwargs)
    torch._foreach_add_ = _foreach_add_
"""


def plant(folder: Path) -> Path:
    """Leave the implant."""
    return write(folder, _BODY)


ATTACK = Attack(
    "function of C replaced",
    "replaces a function of C by one of Python",
    "MEM002",
    plant,
    incident=(9,),
)
