"""Native module beside a source: ENV003."""

from __future__ import annotations

from pathlib import Path

from veristep.drill.attack import Attack
from veristep.drill.env import site


def plant(folder: Path) -> Path:
    """Add one of another suffix than the interpreter's own."""
    path = site(folder) / "parts/core.abi3.so"
    path.write_bytes(b"\x7fELF")
    return path


ATTACK = Attack(
    "native module beside a source",
    "adds an extension module, which is found before the source of that name",
    "ENV003",
    plant,
    incident=(11,),
)
