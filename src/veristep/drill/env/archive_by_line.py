"""Archive by a start file: ENV016."""

from __future__ import annotations

import zipfile
from pathlib import Path

from veristep.drill.attack import Attack
from veristep.drill.env import IMPLANT, site


def plant(folder: Path) -> Path:
    """Have an archive searched at every start."""
    path = folder / "helpers.egg"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("handy.py", IMPLANT)
    (site(folder) / "helpers.pth").write_text(f"{path}\n", encoding="utf-8")
    return path


ATTACK = Attack(
    "archive by a start file",
    "puts an archive with modules on the module path by a .pth file",
    "ENV016",
    plant,
    incident=(11,),
)
