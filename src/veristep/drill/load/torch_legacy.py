"""A checkpoint in torch's format from before 1.6: five pickles in a row."""

from __future__ import annotations

import pickle
from pathlib import Path

from veristep.drill.attack import Attack
from veristep.drill.load import payload


def _plant(folder: Path) -> Path:
    path = folder / "old.pth"
    magic = pickle.dumps(0x1950A86A20F9469CFC6C, 2)
    rest = [
        pickle.dumps(1001, 2),
        pickle.dumps({"little_endian": True}, 2),
        payload.poisoned(),
        pickle.dumps([], 2),
    ]
    path.write_bytes(b"".join([magic, *rest]))
    return payload.script(folder, path, "torch.load(path, weights_only=False)", "import torch")


ATTACK = Attack(
    "legacy torch checkpoint",
    "an old-format checkpoint, its third pickle poisoned",
    "LOAD001",
    _plant,
    incident=(8,),
)
