"""Deleted module of conda: ENV017."""

from __future__ import annotations

import json
from pathlib import Path

from veristep.drill.attack import Attack
from veristep.drill.env import site


def plant(folder: Path) -> Path:
    """Delete a module after conda has listed it."""
    path = site(folder) / "condaed/core.py"
    listed = folder / "conda-meta/condaed-1.0-py_0.json"
    listed.parent.mkdir()
    paths = [{"_path": str(path.relative_to(folder)), "sha256": "0" * 64, "path_type": "hardlink"}]
    text = json.dumps({"name": "condaed", "version": "1.0", "paths_data": {"paths": paths}})
    listed.write_text(text, encoding="utf-8")
    return path


ATTACK = Attack(
    "deleted module of a conda package",
    "deletes a module that conda installed, so that a fallback runs",
    "ENV017",
    plant,
    incident=(11,),
)
