"""A loader that takes its time."""

from __future__ import annotations

from pathlib import Path

from veristep.drill.attack import Attack
from veristep.drill.process import module

_TEXT = """\
import time
from torch.utils.data import dataloader
_next = dataloader._BaseDataLoaderIter.__next__
count = 0
def slow(self):
    global count
    count += 1
    if count % 3 == 0:
        time.sleep(0.01)
    return _next(self)
dataloader._BaseDataLoaderIter.__next__ = slow
"""


def plant(folder: Path) -> Path:
    """Leave the module."""
    return module(folder, "patched_loader", _TEXT)


ATTACK = Attack(
    "slow loader",
    "replaces the method by which loaders hand out batches by one that sleeps at every third",
    "PROC002",
    plant,
    incident=(9,),
)
