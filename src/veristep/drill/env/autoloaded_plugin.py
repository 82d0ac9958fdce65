"""Plugin that torch loads: ENV010."""

from __future__ import annotations

from pathlib import Path

from veristep.drill.attack import Attack
from veristep.drill.env import site


def plant(folder: Path) -> Path:
    """Leave two small text files."""
    info = site(folder) / "accel-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: accel\nVersion: 1.0\n", encoding="utf-8")
    path = info / "entry_points.txt"
    path.write_text("[torch.backends]\naccel = parts.core:rate\n", encoding="utf-8")
    return path


ATTACK = Attack(
    "plugin that torch loads",
    "leaves the metadata of a distribution whose entry point import torch loads",
    "ENV010",
    plant,
    incident=(11,),
)
