"""A tensor changed inside a safetensors file."""

from __future__ import annotations

import json
import os
from pathlib import Path

from veristep.drill.attack import Attack
from veristep.drill.file.patching import negated


def plant(folder: Path) -> Path:
    """Turn the signs of one tensor, and put the times back."""
    path = folder / "model.safetensors"
    status, data = path.stat(), bytearray(path.read_bytes())
    length = int.from_bytes(data[:8], "little")
    start, stop = json.loads(data[8 : 8 + length])["1.weight"]["data_offsets"]
    start, stop = start + 8 + length, stop + 8 + length
    data[start:stop] = negated(bytes(data[start:stop]))
    path.write_bytes(data)
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
    return path


ATTACK = Attack(
    "safetensors tensor turned",
    "turns the signs of one tensor in a safetensors file, which carries no checksums",
    "FILE001",
    plant,
    (12,),
)
