"""A TorchScript model that writes a file."""

from __future__ import annotations

from pathlib import Path

from veristep.drill.attack import Attack
from veristep.drill.load import payload, torchscript


def _plant(folder: Path) -> Path:
    path = torchscript.archive(folder / "model.pt", torchscript.SAVES)
    return payload.script(folder, path, torchscript.LOAD, torchscript.HEAD)


ATTACK = Attack(
    "TorchScript writes a file",
    "a TorchScript archive's code calls torch.save, which raises no event",
    "LOAD010",
    _plant,
    incident=(8,),
)
