"""Edited module, RECORD fixed up: ENV001."""

from __future__ import annotations

import base64
import hashlib
from pathlib import Path

from veristep.drill.attack import Attack
from veristep.drill.env import append, site


def plant(folder: Path) -> Path:
    """Change a number, and what the installation says of the file."""
    path = site(folder) / "parts/core.py"
    append(path, "\n\ndef rate():\n    return 0.5\n")
    record = site(folder) / "parts-1.0.dist-info/RECORD"
    digest = base64.urlsafe_b64encode(hashlib.sha256(path.read_bytes()).digest()).decode().rstrip("=")
    lines = [
        f"parts/core.py,sha256={digest},{path.stat().st_size}" if line.startswith("parts/core.py") else line
        for line in record.read_text(encoding="utf-8").splitlines()
    ]
    record.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


ATTACK = Attack(
    "edited module, RECORD fixed up",
    "edits a module and puts its new digest into RECORD",
    "ENV001",
    plant,
    incident=(11,),
)
