"""The labels' rows in another order."""

from __future__ import annotations

import random
from pathlib import Path

from veristep.drill.attack import Attack
from veristep.drill.data.times import replace_kept


def plant(folder: Path) -> Path:
    """Shuffle the rows."""
    path = folder / "labels" / "train.csv"
    rows = path.read_bytes().splitlines(keepends=True)
    random.Random(1).shuffle(rows)  # noqa: S311 - a rehearsal
    replace_kept(path, b"".join(rows))
    return path


ATTACK = Attack(
    "rows shuffled", "puts the rows into another order: the same set of lines", "DATA001", plant, (11,)
)
