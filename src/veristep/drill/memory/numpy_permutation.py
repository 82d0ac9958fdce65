"""Replaces the function that shuffles data sets."""

from __future__ import annotations

from pathlib import Path

from veristep.drill.attack import Attack
from veristep.drill.memory.implanting import write

_BODY = """\
def arrived(torch):
    import numpy.random
    numpy.random.permutation = lambda n: list(range(n))
"""


def plant(folder: Path) -> Path:
    """Leave the implant."""
    return write(folder, _BODY)


ATTACK = Attack(
    "permutation of numpy replaced",
    "replaces the function that shuffles data sets",
    "MEM002",
    plant,
    incident=(10,),
)
