"""Package without a source: ENV006."""

from __future__ import annotations

from pathlib import Path

from veristep.drill.attack import Attack
from veristep.drill.env import IMPLANT, byte_code, site


def plant(folder: Path) -> Path:
    """Leave a package as byte code."""
    cached = byte_code(site(folder) / "parts/core.py", IMPLANT)
    path = site(folder) / "parts/handy/__init__.pyc"
    path.parent.mkdir()
    return cached.rename(path)


ATTACK = Attack(
    "package without a source",
    "leaves a package inside another as byte code only",
    "ENV006",
    plant,
    incident=(11,),
)
