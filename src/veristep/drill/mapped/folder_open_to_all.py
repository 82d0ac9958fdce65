"""A library in a folder that everybody can write."""

from __future__ import annotations

from pathlib import Path

from veristep.drill.attack import Attack


def plant(folder: Path) -> Path:
    """Give everybody the permission to replace what lies in the folder."""
    library = folder / "site-packages/parts/native.so"
    library.parent.chmod(0o777)
    return library


ATTACK = Attack(
    "folder open to all",
    "makes the folder of a library writable by everybody",
    "ENV042",
    plant,
    incident=(8,),
)
