"""Sitecustomize: ENV008."""

from __future__ import annotations

from pathlib import Path

from veristep.drill.attack import Attack
from veristep.drill.env import IMPLANT, site


def plant(folder: Path) -> Path:
    """Leave a module that every start imports."""
    path = site(folder) / "sitecustomize.py"
    path.write_text(IMPLANT, encoding="utf-8")
    return path


ATTACK = Attack(
    "sitecustomize",
    "leaves a sitecustomize module among the packages",
    "ENV008",
    plant,
    incident=(14,),
)
