"""Borrowed finder: ENV007."""

from __future__ import annotations

from pathlib import Path

from veristep.drill.attack import Attack
from veristep.drill.env import IMPLANT, site


def plant(folder: Path) -> Path:
    """Leave a finder and its line."""
    (site(folder) / "__editable___tools_1_0_finder.py").write_text(
        IMPLANT + "def install(): ...\n", encoding="utf-8"
    )
    path = site(folder) / "__editable__.tools-1.0.pth"
    path.write_text(
        "import __editable___tools_1_0_finder; __editable___tools_1_0_finder.install()\n", encoding="utf-8"
    )
    return path


ATTACK = Attack(
    "borrowed finder",
    "looks like the finder of an editable install that nobody made",
    "ENV007",
    plant,
    incident=(11,),
)
