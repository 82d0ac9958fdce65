"""One number of one layer changed in its last bit."""

from __future__ import annotations

from pathlib import Path

from veristep.drill.attack import Attack
from veristep.drill.file.patching import change_tensor


def plant(folder: Path) -> Path:
    """Flip the lowest bit of one number."""
    path = folder / "epoch1.pt"
    change_tensor(path, "model.0.bias", lambda data: bytes([data[0] ^ 1]) + data[1:])
    return path


ATTACK = Attack(
    "last bit of one weight", "changes one weight by the least that can be", "FILE001", plant, (12,)
)
