"""Calls by way of operators and an import."""

from __future__ import annotations

from pathlib import Path

from veristep.drill.attack import Attack
from veristep.drill.scan.payload import command, text, written


def plant(folder: Path) -> Path:
    """Write the file."""
    data = (
        b"\x80\x02coperator\nmethodcaller\n("
        + text("system")
        + text(command(folder))
        + b"tR(cimportlib\nimport_module\n"
        + text("os")
        + b"\x85RtR."
    )
    return written(folder / "scaler.pkl", data)


ATTACK = Attack(
    "getattr, by way of allowed-looking operators",
    "operator.methodcaller calls system on what importlib returned",
    "LOAD050",
    plant,
    (8,),
)
