"""A name of a harmless module that is the operating system's."""

from __future__ import annotations

from pathlib import Path

from veristep.drill.attack import Attack
from veristep.drill.load import payload


def _plant(folder: Path) -> Path:
    path = payload.checkpoint(folder / "ema.pt", b"\x80\x02ctorch.serialization\nos\n.")
    return payload.script(folder, path, "torch.load(path, weights_only=False)", "import torch")


ATTACK = Attack(
    "re-exported module",
    "torch.serialization is named, and of it the module os",
    "LOAD001",
    _plant,
    incident=(8,),
)
