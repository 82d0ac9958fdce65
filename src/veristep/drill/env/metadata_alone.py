"""Metadata without a list of files: ENV022."""

from __future__ import annotations

from pathlib import Path

from veristep.drill.attack import Attack
from veristep.drill.env import site


def plant(folder: Path) -> Path:
    """Leave metadata and nothing else."""
    path = site(folder) / "guard_tool-2.0.dist-info/METADATA"
    path.parent.mkdir()
    path.write_text("Metadata-Version: 2.1\\nName: guard-tool\\nVersion: 2.0\\n", encoding="utf-8")
    return path


ATTACK = Attack(
    "metadata alone",
    "leaves metadata of a distribution that is not there, so that a requirement counts as met",
    "ENV022",
    plant,
    incident=(11,),
)
