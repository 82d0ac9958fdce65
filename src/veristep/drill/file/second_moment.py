"""The optimizer's second moment set to almost nothing."""

from __future__ import annotations

from pathlib import Path

from veristep.drill.attack import Attack
from veristep.drill.file.patching import change_tensor


def plant(folder: Path) -> Path:
    """Zero one exp_avg_sq."""
    path = folder / "epoch2.pt"
    change_tensor(path, "optimizer.state.2.exp_avg_sq", lambda data: bytes(len(data)))
    return path


ATTACK = Attack(
    "second moment erased",
    "sets exp_avg_sq to zero, so that the next steps are far too long",
    "FILE004",
    plant,
    (9, 12),
)
