"""Launcher replaced by a shell script: ENV014."""

from __future__ import annotations

from pathlib import Path

from veristep.drill.attack import Attack


def plant(folder: Path) -> Path:
    """Start something first, then what was asked for."""
    path = folder / "bin/partsrun"
    path.write_text("#!/bin/sh\nDRILLED=1 exec python3 -m parts.core\n", encoding="utf-8")
    return path


ATTACK = Attack(
    "launcher that is a shell script",
    "replaces a console script by a shell script that sets a variable first",
    "ENV014",
    plant,
    incident=(11,),
)
