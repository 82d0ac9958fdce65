"""Second metadata under another spelling: ENV021."""

from __future__ import annotations

from pathlib import Path

from veristep.drill.attack import Attack
from veristep.drill.env import site


def plant(folder: Path) -> Path:
    """Spell the name otherwise."""
    path = site(folder) / "SPACE-0.1.dist-info/METADATA"
    path.parent.mkdir()
    path.write_text("Metadata-Version: 2.1\\nName: SPACE\\nVersion: 0.1\\n", encoding="utf-8")
    (path.parent / "RECORD").write_text("SPACE-0.1.dist-info/METADATA,,\\n", encoding="utf-8")
    return path


ATTACK = Attack(
    "second metadata, spelled otherwise",
    "leaves metadata of another version under another spelling of the name",
    "ENV021",
    plant,
    incident=(11,),
)
