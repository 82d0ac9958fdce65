"""A library that is gone once it has been loaded."""

from __future__ import annotations

from pathlib import Path

from veristep.drill.attack import Attack


def plant(folder: Path) -> Path:
    """Delete the library."""
    library = folder / "site-packages/parts/native.so"
    library.unlink()
    return library


ATTACK = Attack(
    "library deleted",
    "deletes a library after it was loaded",
    "ENV041",
    plant,
    incident=(8,),
)
