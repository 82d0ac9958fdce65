"""Archive on the module path: ENV016."""

from __future__ import annotations

import zipfile
from pathlib import Path

from veristep.drill.attack import Attack
from veristep.drill.env import IMPLANT, set_variable


def plant(folder: Path) -> Path:
    """Leave an archive that is searched for modules."""
    path = folder / "helpers.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("handy.py", IMPLANT)
    set_variable(folder, "PYTHONPATH", str(path))
    return path


ATTACK = Attack(
    "archive on the module path",
    "puts an archive with modules on the module path",
    "ENV016",
    plant,
    incident=(11,),
)
