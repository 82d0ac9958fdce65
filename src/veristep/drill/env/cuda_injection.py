"""Injection into CUDA: ENV023."""

from __future__ import annotations

from pathlib import Path

from veristep.drill.attack import Attack
from veristep.drill.env import set_variable


def plant(folder: Path) -> Path:
    """Have a library loaded with CUDA."""
    path = folder / "injected.so"
    path.write_bytes(b"\x7fELF of one's own")
    set_variable(folder, "CUDA_INJECTION64_PATH", str(path))
    return path


ATTACK = Attack(
    "injection into CUDA",
    "has CUDA load a library into every process that uses a device",
    "ENV023",
    plant,
    incident=(11,),
)
