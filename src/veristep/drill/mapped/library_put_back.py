"""Another library stands where the one that was loaded stood."""

from __future__ import annotations

import shutil
from pathlib import Path

from veristep.drill.attack import Attack


def plant(folder: Path) -> Path:
    """Rename a copy over the library; size and times are the old ones."""
    library = folder / "site-packages/parts/native.so"
    clean = library.with_name("clean")
    shutil.copy2(library, clean)
    clean.replace(library)
    return library


ATTACK = Attack(
    "library put back",
    "puts a clean library, times included, where the one that was loaded stood",
    "ENV041",
    plant,
    incident=(8,),
)
