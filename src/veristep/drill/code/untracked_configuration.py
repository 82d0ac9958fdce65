"""A configuration file that no commit holds, read by the run."""

from __future__ import annotations

from pathlib import Path

from veristep.drill.attack import Attack


def plant(folder: Path) -> Path:
    """Write a configuration file that is ignored by git."""
    (folder / ".git" / "info").mkdir(exist_ok=True)
    (folder / ".git" / "info" / "exclude").write_text("override.yaml\n", encoding="utf-8")
    path = folder / "override.yaml"
    path.write_text("lr: 10.0\n", encoding="utf-8")
    return path


ATTACK = Attack(
    "configuration in no commit",
    "has the run read a generated configuration that git ignores",
    "CODE002",
    plant,
    (11,),
)
