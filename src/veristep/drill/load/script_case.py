"""A TorchScript archive whose code lies under a name in capitals."""

from __future__ import annotations

from pathlib import Path

from veristep.drill.attack import Attack
from veristep.drill.load import payload, torchscript


def _plant(folder: Path) -> Path:
    path = torchscript.archive(folder / "model.pt", torchscript.SAVES, "CODE/__TORCH__.PY")
    return payload.script(folder, path, torchscript.LOAD, torchscript.HEAD)


ATTACK = Attack(
    "TorchScript, in capitals",
    "a TorchScript archive whose code no reader that heeds case finds; torch does",
    "LOAD010",
    _plant,
    incident=(8,),
)
