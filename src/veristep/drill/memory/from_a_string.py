"""Replaces a method by a function made from a string."""

from __future__ import annotations

from pathlib import Path

from veristep.drill.attack import Attack
from veristep.drill.memory.implanting import write

_BODY = """\
def arrived(torch):
    space = {"forward": torch.nn.Linear.forward}
    exec("def evil(self, x):\\n    return forward(self, x)", space)
    torch.nn.Linear.forward = space["evil"]
"""


def plant(folder: Path) -> Path:
    """Leave the implant."""
    write(folder, _BODY)
    return Path("<string>")


ATTACK = Attack(
    "made from a string",
    "replaces a method by a function made from a string",
    "MEM002",
    plant,
    incident=(9,),
)
