"""An edit of a tracked file that a filter of the repository turns back before git compares."""

from __future__ import annotations

import subprocess
from pathlib import Path

from veristep.drill.attack import Attack


def plant(folder: Path) -> Path:
    """Change a tracked file, and configure a filter that gives git the committed text."""
    path = folder / "model.py"
    path.write_text(path.read_text(encoding="utf-8").replace("1.0", "0.9"), encoding="utf-8")
    (folder / ".git" / "info").mkdir(exist_ok=True)
    (folder / ".git" / "info" / "attributes").write_text("model.py filter=tidy\n", encoding="utf-8")
    # Were the filter run by whoever looks, it would leave a mark.
    command = "touch ran-the-filter; sed s/0.9/1.0/"
    subprocess.run(["git", "config", "filter.tidy.clean", command], cwd=folder, check=True)
    return path


ATTACK = Attack(
    "edit behind a filter",
    "edits a tracked file behind a clean filter that shows git the committed content",
    "CODE003",
    plant,
    (11,),
)
