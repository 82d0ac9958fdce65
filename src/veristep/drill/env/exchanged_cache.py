"""Exchanged byte code: ENV004."""

from __future__ import annotations

from pathlib import Path

from veristep.drill.attack import Attack
from veristep.drill.env import byte_code, site


def plant(folder: Path) -> Path:
    """Exchange what the next import reads."""
    return byte_code(site(folder) / "parts/core.py", "def rate():\n    return 0.5\n")


ATTACK = Attack(
    "exchanged byte code",
    "puts byte code of other source into the cache, under a header that fits",
    "ENV004",
    plant,
    incident=(11,),
)
