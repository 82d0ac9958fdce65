"""Loading is made unsafe: a variable set by an imported helper makes torch.load take everything."""

from __future__ import annotations

from pathlib import Path

from veristep.drill.attack import Attack
from veristep.drill.load import payload


def _plant(folder: Path) -> Path:
    path = payload.checkpoint(folder / "resume.pt", payload.poisoned())
    load = "torch.load(path)"
    return payload.script(
        folder, path, load, "import os, torch\nos.environ['TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD'] = '1'"
    )


ATTACK = Attack(
    "weights only is switched off",
    "a variable set by an imported helper makes torch.load take everything",
    "LOAD005",
    _plant,
    incident=(8,),
)
