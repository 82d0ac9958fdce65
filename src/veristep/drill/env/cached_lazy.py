"""Exchanged byte code of a package: ENV004."""

from __future__ import annotations

from pathlib import Path

from veristep.drill.attack import Attack
from veristep.drill.env import IMPLANT, byte_code, site


def plant(folder: Path) -> Path:
    """Exchange what importing the package runs."""
    source = site(folder) / "parts/__init__.py"
    return byte_code(source, source.read_text(encoding="utf-8") + IMPLANT)


ATTACK = Attack(
    "exchanged byte code of a package",
    "puts byte code of other source into the cache of a package's first file",
    "ENV004",
    plant,
    incident=(11,),
)
