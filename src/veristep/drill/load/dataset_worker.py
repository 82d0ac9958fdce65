"""A data set's file, loaded in a worker of a DataLoader."""

from __future__ import annotations

from pathlib import Path

from veristep.drill.attack import Attack
from veristep.drill.load import payload


def _plant(folder: Path) -> Path:
    path = folder / "shard.pt"
    payload.checkpoint(path, payload.poisoned())
    head = (
        "import torch\nfrom torch.utils.data import DataLoader, Dataset\n"
        "class Shards(Dataset):\n    def __init__(self, path): self.path = path\n"
        "    def __len__(self): return 2\n"
        "    def __getitem__(self, i): return torch.load(self.path, weights_only=False)['epoch']"
    )
    return payload.script(folder, path, "for _ in DataLoader(Shards(path), num_workers=1):\n    pass", head)


ATTACK = Attack(
    "in a DataLoader worker",
    "a worker of a DataLoader loads the poisoned shard",
    "LOAD001",
    _plant,
    incident=(8,),
)
