"""Bzip2 in a tar in a ZIP: the pickle is packed three times."""

from __future__ import annotations

import bz2
from pathlib import Path

from veristep.drill.attack import Attack
from veristep.drill.scan.payload import pickled, tarred, written, zipped


def plant(folder: Path) -> Path:
    """Write the file."""
    data = zipped(("shard.tar", tarred("part.bz2", bz2.compress(pickled(folder)))))
    return written(folder / "data.zip", data)


ATTACK = Attack("bzip2 in a tar in a ZIP", "the pickle is packed three times", "LOAD050", plant, (8,))
