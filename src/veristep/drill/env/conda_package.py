"""Edited file of a conda package: ENV017."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

from veristep.drill.attack import Attack
from veristep.drill.env import append, site


def plant(folder: Path) -> Path:
    """Edit a file after conda has listed it."""
    path = site(folder) / "parts/core.py"
    listed = folder / "conda-meta/parts-1.0-0.json"
    listed.parent.mkdir()
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    paths = [{"_path": str(path.relative_to(folder)), "sha256": digest, "path_type": "hardlink"}]
    listed.write_text(json.dumps({"paths_data": {"paths": paths}}), encoding="utf-8")
    append(path)
    return path


ATTACK = Attack(
    "edited file of a conda package",
    "edits a file that conda installed",
    "ENV017",
    plant,
    incident=(11,),
)
