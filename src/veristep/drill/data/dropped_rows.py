"""Rows of one class left out of the labels."""

from __future__ import annotations

from pathlib import Path

from veristep.drill.attack import Attack
from veristep.drill.data.times import replace_kept


def plant(folder: Path) -> Path:
    """Leave out every row of class 3."""
    path = folder / "labels" / "train.csv"
    rows = path.read_bytes().splitlines(keepends=True)
    replace_kept(path, b"".join(row for row in rows if not row.endswith(b",3\n")))
    return path


ATTACK = Attack("rows left out", "leaves all rows of one class out", "DATA001", plant, (11,))
