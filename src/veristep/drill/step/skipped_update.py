"""One update does nothing."""

from __future__ import annotations

from pathlib import Path

from veristep.drill.attack import Attack
from veristep.drill.implant import write
from veristep.drill.step import ACT_AT, implant

_ACTS = """\
def update(optimizer, do):
    return None
"""


def plant(folder: Path) -> Path:
    """Write the implant into a folder of its own."""
    return write(implant(folder), "one update skipped", _ACTS, steps=[ACT_AT])


ATTACK = Attack("one update skipped", "One update does nothing.", "STEP002", plant, (9,))
