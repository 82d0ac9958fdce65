"""Patches on the second rank only."""

from __future__ import annotations

from pathlib import Path

from veristep.drill.attack import Attack
from veristep.drill.memory.implanting import write

_BODY = """\
def arrived(torch):
    if os.environ.get("RANK") == "1":
        step = torch.optim.SGD.step
        torch.optim.SGD.step = lambda self, *args, **kwargs: step(self, *args, **kwargs)
"""


def plant(folder: Path) -> Path:
    """Leave the implant."""
    return write(folder, _BODY)


ATTACK = Attack(
    "only on one rank",
    "patches on the second rank only",
    "MEM002",
    plant,
    incident=(9,),
)
