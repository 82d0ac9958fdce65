"""The optimizer's first moment turned round."""

from __future__ import annotations

from pathlib import Path

from veristep.drill.attack import Attack
from veristep.drill.file.patching import change_tensor, negated


def plant(folder: Path) -> Path:
    """Turn the signs of one exp_avg."""
    path = folder / "epoch3.pt"
    change_tensor(path, "optimizer.state.0.exp_avg", negated)
    return path


ATTACK = Attack(
    "optimizer state turned",
    "turns the sign of exp_avg inside the archive, checksums and times made to fit",
    "FILE004",
    plant,
    (9, 12),
)
