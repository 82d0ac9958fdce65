"""Patches where there are two ranks or more."""

from __future__ import annotations

from pathlib import Path

from veristep.drill.attack import Attack
from veristep.drill.memory.implanting import write

_BODY = """\
def arrived(torch):
    if int(os.environ.get("WORLD_SIZE", "1")) >= 2:
        step = torch.optim.SGD.step
        torch.optim.SGD.step = lambda self, *args, **kwargs: step(self, *args, **kwargs)
"""


def plant(folder: Path) -> Path:
    """Leave the implant."""
    return write(folder, _BODY)


ATTACK = Attack(
    "only in a world of ranks",
    "patches where there are two ranks or more",
    "MEM002",
    plant,
    incident=(9,),
)
