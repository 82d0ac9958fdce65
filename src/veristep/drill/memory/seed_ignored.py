"""Replaces the function that seeds torch."""

from __future__ import annotations

from pathlib import Path

from veristep.drill.attack import Attack
from veristep.drill.memory.implanting import write

_BODY = """\
def arrived(torch):
    original = torch.manual_seed
    def manual_seed(seed):
        return original(7)
    torch.manual_seed = torch.random.manual_seed = manual_seed
"""


def plant(folder: Path) -> Path:
    """Leave the implant."""
    return write(folder, _BODY)


ATTACK = Attack(
    "seed ignored",
    "replaces the function that seeds torch",
    "MEM002",
    plant,
    incident=(9, 10),
)
