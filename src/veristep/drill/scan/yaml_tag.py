"""A YAML tag that calls: a configuration with !!python/object/apply under another tag prefix."""

from __future__ import annotations

from pathlib import Path

from veristep.drill.attack import Attack
from veristep.drill.scan.payload import command, written


def plant(folder: Path) -> Path:
    """Write the file."""
    head = "%TAG !p! tag:yaml.org,2002:python/object/\n---\n"
    data = f"{head}x: !p!apply:os.system ['{command(folder)}']\n"
    return written(folder / "train.yaml", data.encode())


ATTACK = Attack(
    "a YAML tag that calls",
    "a configuration with !!python/object/apply under another tag prefix",
    "LOAD058",
    plant,
    (8,),
)
