"""Patches the iterator of data loaders so that it repeats batches."""

from __future__ import annotations

from pathlib import Path

from veristep.drill.attack import Attack
from veristep.drill.memory.implanting import write

_BODY = """\
def arrived(torch):
    kind = torch.utils.data.dataloader._BaseDataLoaderIter
    fetch, last = kind.__next__, []
    def __next__(self):
        batch = fetch(self)
        last[:] = last or [batch]
        return last[0]
    kind.__next__ = __next__
"""


def plant(folder: Path) -> Path:
    """Leave the implant."""
    return write(folder, _BODY)


ATTACK = Attack(
    "loader repeats batches",
    "patches the iterator of data loaders so that it repeats batches",
    "MEM002",
    plant,
    incident=(10,),
)
