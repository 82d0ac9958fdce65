"""A helper module in a folder that everybody can write to, on the module path."""

from __future__ import annotations

from pathlib import Path

from veristep.drill.attack import Attack


def plant(folder: Path) -> Path:
    """Write ``helpers.py`` into a folder open to everybody, outside the repository."""
    shared = folder.parent / "shared"
    shared.mkdir()
    shared.chmod(0o1777)
    path = shared / "helpers.py"
    path.write_text("SCALE = 1.02\n", encoding="utf-8")
    return path


ATTACK = Attack(
    "module in a shared folder",
    "puts a module on the path from a folder that every user can write to",
    "CODE005",
    plant,
    (11, 16),
)
