"""Library found first: ENV011."""

from __future__ import annotations

from pathlib import Path

from veristep.drill.attack import Attack
from veristep.drill.env import set_variable


def plant(folder: Path) -> Path:
    """Have the linker find another library of that name."""
    path = folder / "fast/native.so"
    path.parent.mkdir()
    path.write_bytes(b"\x7fELF")
    set_variable(folder, "LD_LIBRARY_PATH", str(path.parent))
    return path


ATTACK = Attack(
    "library found first",
    "puts a native library of an installed name into a folder of LD_LIBRARY_PATH",
    "ENV011",
    plant,
    incident=(9,),
)
