"""A TorchScript archive under the name of a checkpoint."""

from __future__ import annotations

from pathlib import Path

from veristep.drill.attack import Attack
from veristep.drill.load import payload, torchscript


def _plant(folder: Path) -> Path:
    path = torchscript.archive(folder / "model.pt", torchscript.SAVES)
    return payload.script(
        folder, path, "torch.load(path, weights_only=False)(torch.ones(2))", torchscript.HEAD
    )


ATTACK = Attack(
    "TorchScript by torch.load",
    "torch.load finds a TorchScript archive under a checkpoint's name and hands its bytes over",
    "LOAD010",
    _plant,
    incident=(8,),
)
