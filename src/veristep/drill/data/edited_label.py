"""One label changed in place, its modification time restored."""

from __future__ import annotations

from pathlib import Path

from veristep.drill.attack import Attack
from veristep.drill.data.times import replace_kept


def plant(folder: Path) -> Path:
    """Change the class of one row."""
    path = folder / "labels" / "train.csv"
    rows = path.read_bytes().splitlines(keepends=True)
    name, _, _ = rows[700].partition(b",")
    rows[700] = name + b",6\n"
    replace_kept(path, b"".join(rows))
    return path


ATTACK = Attack(
    "label edited",
    "changes the class of one row and restores size and modification time",
    "DATA001",
    plant,
    (11,),
)
