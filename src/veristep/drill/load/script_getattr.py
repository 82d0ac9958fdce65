"""A TorchScript model that reaches an operator by a text."""

from __future__ import annotations

from pathlib import Path

from veristep.drill.attack import Attack
from veristep.drill.load import payload, torchscript


def _plant(folder: Path) -> Path:
    path = torchscript.archive(folder / "model.pt", 'getattr(torch, "save")([x], "mark")')
    return payload.script(folder, path, torchscript.LOAD, torchscript.HEAD)


ATTACK = Attack(
    "TorchScript, by getattr",
    "a TorchScript archive's code reaches the operator that writes by a text",
    "LOAD010",
    _plant,
    incident=(8,),
)
