"""Auditing library: ENV011."""

from __future__ import annotations

from pathlib import Path

from veristep.drill.attack import Attack
from veristep.drill.env import set_variable


def plant(folder: Path) -> Path:
    """Name one that the linker would ask."""
    path = folder / "libaudit_help.so"
    path.write_bytes(b"\x7fELF")
    set_variable(folder, "LD_AUDIT", str(path))
    return path


ATTACK = Attack(
    "auditing library",
    "has the dynamic linker ask a library about every symbol",
    "ENV011",
    plant,
    incident=(9,),
)
