"""A dotted name that goes through a harmless module to another one."""

from __future__ import annotations

from pathlib import Path

from veristep.drill.attack import Attack
from veristep.drill.load import payload


def _plant(folder: Path) -> Path:
    path = folder / "dotted.pkl"
    name, text = b"codecs.sys.modules", payload.COMMAND.encode()
    path.write_bytes(
        b"\x80\x04\x8c\x04json\x8c"
        + bytes([len(name)])
        + name
        + b"\x93\x8c"
        + bytes([len(text)])
        + text
        + b"\x85R."
    )
    return payload.script(
        folder, path, "with open(path, 'rb') as file:\n    pickle.load(file)", "import json, pickle"
    )


ATTACK = Attack(
    "dotted name",
    "json's decoder module is named, and through it the shell",
    "LOAD001",
    _plant,
    incident=(8,),
)
