"""A label changed while a run reads the data."""

from __future__ import annotations

from pathlib import Path

from veristep.drill.attack import Attack
from veristep.drill.data.times import replace_kept


def plant(folder: Path) -> Path:
    """Change the class of one row."""
    path = folder / "labels" / "train.csv"
    rows = path.read_bytes().splitlines(keepends=True)
    name, _, _ = rows[10].partition(b",")
    rows[10] = name + b",5\n"
    replace_kept(path, b"".join(rows))
    return path


ATTACK = Attack(
    "label edited during a run", "changes one label between two steps of a run", "DATA005", plant, (10, 11)
)
