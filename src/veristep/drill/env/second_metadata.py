"""Second metadata of a distribution: ENV021."""

from __future__ import annotations

from pathlib import Path

from veristep.drill.attack import Attack
from veristep.drill.env import site


def plant(folder: Path) -> Path:
    """Say of itself that it is a later version."""
    path = site(folder) / "parts-9.9.dist-info/METADATA"
    path.parent.mkdir()
    path.write_text("Metadata-Version: 2.1\\nName: parts\\nVersion: 9.9\\n", encoding="utf-8")
    (path.parent / "RECORD").write_text("parts-9.9.dist-info/METADATA,,\\n", encoding="utf-8")
    return path


ATTACK = Attack(
    "second metadata",
    "leaves metadata of a later version beside the true one: a requirement of a fix counts as met",
    "ENV021",
    plant,
    incident=(11,),
)
