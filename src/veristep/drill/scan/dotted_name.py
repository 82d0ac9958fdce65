"""A dotted name that reaches through a module that is trusted."""

from __future__ import annotations

from pathlib import Path

from veristep.drill.attack import Attack
from veristep.drill.scan.payload import command, text, written


def plant(folder: Path) -> Path:
    """Write the file."""
    data = b"\x80\x04\x8c\x13torch.serialization\x8c\x09os.system\x93" + text(command(folder)) + b"\x85R."
    return written(folder / "model.pkl", data)


ATTACK = Attack(
    "through a module that is trusted",
    "the name is torch.serialization, 'os.system': a dotted name that reaches through",
    "LOAD050",
    plant,
    (8,),
)
