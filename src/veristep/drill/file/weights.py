"""A layer's weights turned round."""

from __future__ import annotations

from pathlib import Path

from veristep.drill.attack import Attack
from veristep.drill.file.patching import change_tensor, negated


def plant(folder: Path) -> Path:
    """Turn the signs of one layer."""
    path = folder / "epoch3.pt"
    change_tensor(path, "model.1.weight", negated)
    return path


ATTACK = Attack(
    "weights turned",
    "turns a layer's signs inside the archive, checksums and times made to fit",
    "FILE001",
    plant,
    (12,),
)
