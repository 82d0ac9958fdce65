"""A module that is gone once it has been imported."""

from __future__ import annotations

from pathlib import Path

from veristep.drill.attack import Attack
from veristep.drill.executed import EDITED


def plant(folder: Path) -> Path:
    """Edit the module; whoever looks after its import finds nothing."""
    module = folder / "site-packages/parts/core.py"
    module.write_text(EDITED + "import os as _os\n_os.unlink(__file__)\n", encoding="utf-8")
    return module


ATTACK = Attack(
    "deletes itself",
    "replaces an installed module by one that deletes itself when it is imported",
    "ENV040",
    plant,
    incident=(8,),
)
