"""A checkpoint in torch's zip format whose pickle calls the shell."""

from __future__ import annotations

from pathlib import Path

from veristep.drill.attack import Attack
from veristep.drill.load import payload


def _plant(folder: Path) -> Path:
    path = payload.checkpoint(folder / "step_4000.pt", payload.poisoned())
    return payload.script(folder, path, "torch.load(path, weights_only=False)", "import torch")


ATTACK = Attack(
    "torch checkpoint",
    "a checkpoint as torch.save writes it calls the shell when it is loaded with weights_only=False",
    "LOAD001",
    _plant,
    incident=(8,),
)
