"""Where a project's own code could have done what a rule would accuse others of.

Not a proof: it only says that the code holds constructs that do such a thing, and so a finding is no more
than a note.
"""

from __future__ import annotations

import re
from pathlib import Path

WRITES_TENSORS = re.compile(
    r"(?<!utils)\.data\b(?!\s*import)"
    r"|(?<!init)\.(?:copy_|clamp_|clip_|mul_|add_|sub_|div_|fill_|zero_|normal_|uniform_|lerp_)\("
    r"|_foreach_|reset_parameters|vector_to_parameters|\b(?:ema|swa|sam)\b|averag|broadcast\(",
    re.IGNORECASE,
)
SETS_HYPERPARAMETERS = re.compile(r"param_groups|add_param_group")
WRITES_GRADIENTS = re.compile(r"\.grad\b|register_hook|register_post_accumulate|clip_grad_value|_grads?_\(")
CLIPS = re.compile(r"clip_grad_norm_?\(")

_MOST_FILES = 300
_MOST_BYTES = 1 << 20
_MOST_PLACES = 20
_SKIPPED = {"site-packages", "node_modules", ".git", "__pycache__"}


def places(root: Path, construct: re.Pattern[str]) -> list[str]:
    """Return the lines of a project's Python files that hold a construct, as ``file:line``."""
    found: list[str] = []
    for path in _files(root):
        try:
            if path.stat().st_size > _MOST_BYTES:
                continue
            text = path.read_text(encoding="utf-8", errors="replace")
        except OSError:
            continue
        for number, line in enumerate(text.splitlines(), 1):
            if construct.search(line.partition("#")[0]):
                found.append(f"{path.relative_to(root)}:{number}")
                if len(found) >= _MOST_PLACES:
                    return found
    return found


def _files(root: Path) -> list[Path]:
    found: list[Path] = []
    waiting = [root]
    while waiting and len(found) < _MOST_FILES:
        folder = waiting.pop()
        try:
            entries = sorted(folder.iterdir())
        except OSError:
            continue
        for entry in entries:
            if entry.is_symlink() or entry.name in _SKIPPED or entry.name.startswith("."):
                continue
            if entry.is_dir():
                if not (entry / "pyvenv.cfg").exists():
                    waiting.append(entry)
            elif entry.suffix == ".py":
                found.append(entry)
    return found
