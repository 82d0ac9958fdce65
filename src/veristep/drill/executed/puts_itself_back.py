"""A module that does its work once and leaves the clean file, times included."""

from __future__ import annotations

import os
from pathlib import Path

from veristep.drill.attack import Attack
from veristep.drill.executed import CLEAN, EDITED


def plant(folder: Path) -> Path:
    """Edit the module; whoever looks after its import finds it clean."""
    module = folder / "site-packages/parts/core.py"
    status = module.stat()
    times = (status.st_atime_ns, status.st_mtime_ns)
    restore = f"import os as _os\nopen(__file__, 'w').write({CLEAN!r})\n_os.utime(__file__, ns={times!r})\n"
    module.write_text(EDITED + restore, encoding="utf-8")
    os.utime(module, ns=times)
    return module


ATTACK = Attack(
    "puts itself back",
    "edits an installed module so that its import puts the clean text and its times back",
    "ENV040",
    plant,
    incident=(8,),
)
