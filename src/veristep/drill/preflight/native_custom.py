"""Native usercustomize: ENV008."""

from __future__ import annotations

from pathlib import Path

from veristep.drill.attack import Attack
from veristep.drill.env import site


def plant(folder: Path) -> Path:
    """Leave a library of that name."""
    path = site(folder) / "usercustomize.abi3.so"
    path.write_bytes(b"\x7fELF as good as one")
    return path


ATTACK = Attack(
    "native usercustomize",
    "leaves a usercustomize module that is a native library",
    "ENV008",
    plant,
    incident=(11,),
)
