"""Bytes appended behind the archive."""

from __future__ import annotations

from pathlib import Path

from veristep.drill.attack import Attack


def plant(folder: Path) -> Path:
    """Append bytes."""
    path = folder / "epoch2.pt"
    with path.open("ab") as file:
        file.write(b"payload that another reader would find")
    return path


ATTACK = Attack(
    "bytes appended", "appends what the archive's readers pass over and others find", "FILE001", plant, (8,)
)
