"""An extension code: the callable is a number in the registry of extensions."""

from __future__ import annotations

from pathlib import Path

from veristep.drill.attack import Attack
from veristep.drill.scan.payload import command, text, written


def plant(folder: Path) -> Path:
    """Write the file."""
    data = b"\x80\x02\x82\xf0" + text(command(folder)) + b"\x85R."
    return written(folder / "rng.pkl", data)


ATTACK = Attack(
    "an extension code", "the callable is a number in the registry of extensions", "LOAD051", plant, (8,)
)
