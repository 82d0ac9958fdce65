"""A configuration with a tag that builds any object."""

from __future__ import annotations

from pathlib import Path

from veristep.drill.attack import Attack
from veristep.drill.load import payload


def _plant(folder: Path) -> Path:
    path = folder / "config.yaml"
    path.write_text(f"lr: !!python/object/apply:os.system ['{payload.COMMAND}']\n", encoding="utf-8")
    load = "with open(path) as file:\n    yaml.unsafe_load(file)"
    return payload.script(folder, path, load, "import yaml")


ATTACK = Attack(
    "YAML tag",
    "a configuration file's tag calls the shell in yaml.unsafe_load",
    "LOAD004",
    _plant,
    incident=(8,),
)
