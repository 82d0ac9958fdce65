"""Puts one function of torch in the place of another."""

from __future__ import annotations

from pathlib import Path

from veristep.drill.attack import Attack
from veristep.drill.memory.implanting import write

_BODY = """\
def arrived(torch):
    torch.nn.functional.relu = torch.nn.functional.relu6
"""


def plant(folder: Path) -> Path:
    """Leave the implant."""
    write(folder, _BODY)
    return Path()


ATTACK = Attack(
    "another of the same library",
    "puts one function of torch in the place of another",
    "MEM003",
    plant,
    incident=(9,),
)
