"""Two checkpoints exchanged."""

from __future__ import annotations

from pathlib import Path

from veristep.drill.attack import Attack


def plant(folder: Path) -> Path:
    """Exchange two checkpoints."""
    first, second = folder / "epoch2.pt", folder / "epoch3.pt"
    aside = first.rename(folder / "aside")
    second.rename(first)
    aside.rename(second)
    return second


ATTACK = Attack("checkpoints swapped", "exchanges two checkpoints by renaming", "FILE002", plant, (8, 12))
