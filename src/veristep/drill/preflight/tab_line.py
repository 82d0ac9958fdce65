"""Start line with a tab: ENV007."""

from __future__ import annotations

from pathlib import Path

from veristep.drill.attack import Attack
from veristep.drill.env import site


def plant(folder: Path) -> Path:
    """Write the word the other way `site` takes it."""
    path = site(folder) / "aliases.pth"
    path.write_text("import\tos; os.environ['DRILLED'] = '1'\n", encoding="utf-8")
    return path


ATTACK = Attack(
    "start line with a tab",
    "leaves a .pth line whose import is followed by a tab",
    "ENV007",
    plant,
    incident=(11,),
)
