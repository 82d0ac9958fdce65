"""A library that everybody can write."""

from __future__ import annotations

from pathlib import Path

from veristep.drill.attack import Attack


def plant(folder: Path) -> Path:
    """Give everybody the permission to write."""
    library = folder / "site-packages/parts/native.so"
    library.chmod(0o777)
    return library


ATTACK = Attack(
    "library open to all", "makes a library writable by everybody", "ENV042", plant, incident=(8,)
)
