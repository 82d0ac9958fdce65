"""A checkpoint replaced by a link to an older one."""

from __future__ import annotations

from pathlib import Path

from veristep.drill.attack import Attack


def plant(folder: Path) -> Path:
    """Replace the last checkpoint by a link."""
    path = folder / "epoch3.pt"
    path.unlink()
    path.symlink_to("epoch1.pt")
    return path


ATTACK = Attack(
    "link to an older checkpoint",
    "replaces a checkpoint by a link to an older one",
    "FILE002",
    plant,
    (8, 12),
)
