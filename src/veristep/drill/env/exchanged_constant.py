"""Exchanged constant: ENV004."""

from __future__ import annotations

from pathlib import Path

from veristep.drill.attack import Attack
from veristep.drill.env import byte_code, site


def plant(folder: Path) -> Path:
    """Change a number that the source has otherwise."""
    source = site(folder) / "parts/core.py"
    return byte_code(source, source.read_text(encoding="utf-8").replace("1.0", "0.9"))


ATTACK = Attack(
    "exchanged constant",
    "puts byte code into the cache in which one constant is another",
    "ENV004",
    plant,
    incident=(9, 11),
)
