"""Package that is a link: ENV002."""

from __future__ import annotations

from pathlib import Path

from veristep.drill.attack import Attack
from veristep.drill.env import append, site


def plant(folder: Path) -> Path:
    """Put a link to a folder of its own in the place of the package."""
    package = site(folder) / "parts"
    own = folder / "own"
    package.rename(own)
    append(own / "core.py")
    package.symlink_to(own)
    return package / "core.py"


ATTACK = Attack(
    "package that is a link",
    "puts a link to an edited copy in the place of a package folder",
    "ENV002",
    plant,
    incident=(11,),
)
