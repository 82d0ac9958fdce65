"""Plugin of NCCL: ENV023."""

from __future__ import annotations

from pathlib import Path

from veristep.drill.attack import Attack
from veristep.drill.env import set_variable


def plant(folder: Path) -> Path:
    """Stand between the ranks."""
    path = folder / "libnccl-net.so"
    path.write_bytes(b"\x7fELF of one's own")
    set_variable(folder, "NCCL_NET_PLUGIN", str(path))
    return path


ATTACK = Attack(
    "plugin of NCCL",
    "has NCCL load a network plugin, through which all gradients go",
    "ENV023",
    plant,
    incident=(11,),
)
