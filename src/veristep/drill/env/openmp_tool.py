"""Tool of OpenMP: ENV023."""

from __future__ import annotations

from pathlib import Path

from veristep.drill.attack import Attack
from veristep.drill.env import set_variable


def plant(folder: Path) -> Path:
    """Have a library loaded as a tool."""
    path = folder / "tool.so"
    path.write_bytes(b"\x7fELF of one's own")
    set_variable(folder, "OMP_TOOL_LIBRARIES", str(path))
    return path


ATTACK = Attack(
    "tool of OpenMP",
    "has OpenMP load a library as its tool, past the linker's variables",
    "ENV023",
    plant,
    incident=(11,),
)
