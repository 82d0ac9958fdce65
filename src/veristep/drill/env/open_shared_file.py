"""Installed file with another name, open to all: ENV013."""

from __future__ import annotations

import os
from pathlib import Path

from veristep.drill.attack import Attack
from veristep.drill.env import site


def plant(folder: Path) -> Path:
    """Give a library another name, which everybody can write."""
    path = site(folder) / "parts/native.so"
    (folder / "cache").mkdir()
    os.link(path, folder / "cache/native.so")
    path.chmod(0o666)
    return path


ATTACK = Attack(
    "second name of a library, open to all",
    "gives a native library another name in a folder that is shared, and lets everybody write it",
    "ENV013",
    plant,
    incident=(11,),
)
