"""A TorchScript model that gives torch another name before it writes a file."""

from __future__ import annotations

from pathlib import Path

from veristep.drill.attack import Attack
from veristep.drill.load import payload, torchscript


def _plant(folder: Path) -> Path:
    path = torchscript.archive(
        folder / "model.pt", f"t = torch\n{torchscript.SAVES.replace('torch', 't', 1)}"
    )
    return payload.script(folder, path, torchscript.LOAD, torchscript.HEAD)


ATTACK = Attack(
    "TorchScript, under another name",
    "a TorchScript archive's code writes a file by an operator of torch, which has got another name",
    "LOAD010",
    _plant,
    incident=(8,),
)
