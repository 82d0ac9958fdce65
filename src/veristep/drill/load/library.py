"""A library of operators that everybody can write."""

from __future__ import annotations

import _socket
import shutil
from pathlib import Path

from veristep.drill.attack import Attack
from veristep.drill.load import payload


def _plant(folder: Path) -> Path:
    # Any library does: it is not loaded, or is a copy of a harmless one.
    path = folder / "operators.so"
    shutil.copyfile(_socket.__file__, path)
    path.chmod(0o666)
    load = "try:\n    torch.ops.load_library(path)\nexcept OSError as error:\n    print(error.__cause__)"
    return payload.script(folder, path, load, "import torch")


ATTACK = Attack(
    "library of operators",
    "a library that everybody can write is loaded by torch.ops.load_library",
    "LOAD011",
    _plant,
    incident=(8, 16),
)
