"""LOAD006: a compile cache of a run can be written by others."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from veristep.core.verdicts import Finding
from veristep.guard import suspects
from veristep.guard.rule import Rule

RULE = Rule("LOAD006", "others can write the compile cache")
# Variables by which a user says where torch and triton keep what they compiled.
VARIABLES = ("TORCHINDUCTOR_CACHE_DIR", "TRITON_CACHE_DIR")
_MOST_FILES = 5000
_OTHERS_WRITE = 0o022


def in_folder(folder: Path, variable: str, mine: int) -> Finding | None:
    """Return the finding of a cache that others can write, or have written; None when there is none.

    Args:
        folder: the cache.
        variable: that names it.
        mine: uid of who trains.
    """
    for path in _paths(folder):
        try:
            status = path.lstat()
        except OSError:
            continue
        link = path.is_symlink()
        foreign = status.st_uid not in (0, mine)
        if foreign or (status.st_mode & _OTHERS_WRITE and not link):
            how = f"belongs to {suspects.user_name(status.st_uid)}" if foreign else "others can write it"
            return RULE.finding(
                f"{variable} is {folder}, and {path} in it {how}: what lies there is run by torch.compile",
                suspects=suspects.of_file(path, how="torch.compile runs what lies in its cache"),
                path=str(path),
                hint=f"unset {variable}: each run then has a cache of its own; or chmod -R go-w {folder}",
            )
    return None


def _paths(folder: Path) -> Iterator[Path]:
    yield folder
    count = 0
    for place, folders, files in os.walk(folder):
        for name in (*folders, *files):
            count += 1
            if count > _MOST_FILES:
                return
            yield Path(place) / name
