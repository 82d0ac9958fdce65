"""File of every bash: ENV012."""

from __future__ import annotations

from pathlib import Path

from veristep.drill.attack import Attack
from veristep.drill.env import set_variable


def plant(folder: Path) -> Path:
    """Name a file for bash."""
    path = folder / "profile.sh"
    path.write_text("export DRILLED=1\n", encoding="utf-8")
    set_variable(folder, "BASH_ENV", str(path))
    return path


ATTACK = Attack(
    "file of every bash",
    "has every bash script of a job run a file first",
    "ENV012",
    plant,
    incident=(11,),
)
