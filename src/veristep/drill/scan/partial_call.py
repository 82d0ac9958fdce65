"""A partial in between: functools.partial holds the call, and is called later."""

from __future__ import annotations

from pathlib import Path

from veristep.drill.attack import Attack
from veristep.drill.scan.payload import command, text, written


def plant(folder: Path) -> Path:
    """Write the file."""
    data = b"\x80\x02cfunctools\npartial\n(cos\nsystem\n" + text(command(folder)) + b"tR)R."
    return written(folder / "schedule.pkl", data)


ATTACK = Attack(
    "a partial in between", "functools.partial holds the call, and is called later", "LOAD050", plant, (8,)
)
