"""ENV042: a native library that anybody can change."""

from __future__ import annotations

import stat
from pathlib import Path

from veristep.core.verdicts import Finding, Severity
from veristep.guard import suspects
from veristep.guard.rule import Rule

RULE = Rule("ENV042", "A native library in use can be changed by everybody", Severity.WARNING)


def of(path: str, mode: int, folder_mode: int) -> Finding | None:
    """Return a finding when everybody can write a library, or put another in its place.

    Args:
        path: of the library.
        mode: its own, as ``st_mode``.
        folder_mode: that of the folder it lies in. In a sticky one others cannot replace it.
    """
    own = bool(mode & stat.S_IWOTH)
    replaceable = bool(folder_mode & stat.S_IWOTH) and not folder_mode & stat.S_ISVTX
    if not own and not replaceable:
        return None
    what = "can be written by everybody" if own else "lies in a folder that everybody can write"
    return RULE.finding(
        f"{path} is in use and {what}",
        suspects=suspects.of_file(Path(path), how="a process of the run executes it"),
        path=path,
        hint="take the permission away: chmod o-w",
    )
