"""Edited library of conda: ENV017."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

from veristep.drill.attack import Attack


def plant(folder: Path) -> Path:
    """Edit a native library outside the folders of modules."""
    path = folder / "lib/libmath.so.1"
    path.write_bytes(b"\\x7fELF as conda has it")
    listed = folder / "conda-meta/libmath-1.0-h0.json"
    listed.parent.mkdir()
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    paths = [{"_path": "lib/libmath.so.1", "sha256": "0" * 64, "sha256_in_prefix": digest}]
    text = json.dumps({"name": "libmath", "version": "1.0", "paths_data": {"paths": paths}})
    listed.write_text(text, encoding="utf-8")
    path.write_bytes(b"\\x7fELF as another has it")
    return path


ATTACK = Attack(
    "edited library of a conda package",
    "edits a native library that conda installed, outside the folders of modules",
    "ENV017",
    plant,
    incident=(11,),
)
