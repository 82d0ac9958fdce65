"""Loading is made unsafe: weights-only loading fails, and the script tries again without it."""

from __future__ import annotations

from pathlib import Path

from veristep.drill.attack import Attack
from veristep.drill.load import payload


def _plant(folder: Path) -> Path:
    path = payload.checkpoint(folder / "resume.pt", payload.poisoned())
    load = (
        "try:\n    torch.load(path, weights_only=True)\n"
        "except pickle.UnpicklingError:\n    torch.load(path, weights_only=False)"
    )
    return payload.script(folder, path, load, "import pickle, torch")


ATTACK = Attack(
    "falls back to unsafe loading",
    "weights-only loading fails, and the script tries again without it",
    "LOAD005",
    _plant,
    incident=(8,),
)
