"""Preloaded library: ENV011."""

from __future__ import annotations

from pathlib import Path

from veristep.drill.attack import Attack
from veristep.drill.env import set_variable


def plant(folder: Path) -> Path:
    """Name one that would be loaded first."""
    path = folder / "libhelp.so"
    path.write_bytes(b"\x7fELF")
    set_variable(folder, "LD_PRELOAD", str(path))
    return path


ATTACK = Attack(
    "preloaded library",
    "has a library loaded into every process",
    "ENV011",
    plant,
    incident=(9,),
)
