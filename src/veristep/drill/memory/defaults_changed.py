"""Changes the defaults of a function of torch; its code stays what it was."""

from __future__ import annotations

from pathlib import Path

from veristep.drill.attack import Attack
from veristep.drill.memory.implanting import write

_BODY = """\
def arrived(torch):
    defaults = torch.nn.functional.dropout.__defaults__
    torch.nn.functional.dropout.__defaults__ = (0.9, *defaults[1:])
"""


def plant(folder: Path) -> Path:
    """Leave the implant."""
    write(folder, _BODY)
    return Path()


ATTACK = Attack(
    "defaults changed",
    "changes the defaults of a function of torch; its code stays what it was",
    "MEM003",
    plant,
    incident=(9,),
)
