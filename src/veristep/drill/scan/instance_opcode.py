"""The instance opcode of 1996: the call is written with INST, which most scanners forget."""

from __future__ import annotations

from pathlib import Path

from veristep.drill.attack import Attack
from veristep.drill.scan.payload import command, written


def plant(folder: Path) -> Path:
    """Write the file."""
    data = f"(S'{command(folder)}'\nios\nsystem\n.".encode()
    return written(folder / "state.pkl", data)


ATTACK = Attack(
    "the instance opcode of 1996",
    "the call is written with INST, which most scanners forget",
    "LOAD050",
    plant,
    (8,),
)
