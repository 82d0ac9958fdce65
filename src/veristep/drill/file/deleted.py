"""A checkpoint deleted."""

from __future__ import annotations

from pathlib import Path

from veristep.drill.attack import Attack


def plant(folder: Path) -> Path:
    """Delete a checkpoint."""
    path = folder / "epoch2.pt"
    path.unlink()
    return path


ATTACK = Attack("checkpoint deleted", "deletes a checkpoint that no run removed", "FILE006", plant, (12,))
