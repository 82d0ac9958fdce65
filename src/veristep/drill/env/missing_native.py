"""Deleted native library: ENV002."""

from __future__ import annotations

from pathlib import Path

from veristep.drill.attack import Attack
from veristep.drill.env import site


def plant(folder: Path) -> Path:
    """Take the fast path away."""
    path = site(folder) / "parts/native.so"
    path.unlink()
    return path


ATTACK = Attack(
    "deleted native library",
    "deletes an extension module so that a slower fallback of its own runs",
    "ENV002",
    plant,
    incident=(11,),
)
