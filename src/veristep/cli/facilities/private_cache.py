"""The folder of byte code that runs use in place of shared caches."""

from __future__ import annotations

import os
from pathlib import Path

from veristep.cli.facilities.facility import Facility, Standing, State


def _look() -> State:
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    there = next(each for each in (cache / "veristep", cache, *cache.absolute().parents) if each.exists())
    if not os.access(there, os.W_OK):
        return State(
            Standing.MISSING,
            f"{cache} cannot be written: each run compiles anew, in a temporary folder",
            "set XDG_CACHE_HOME",
        )
    status = there.stat()
    if there.name == "veristep" and (status.st_mode & 0o022 or status.st_uid != os.getuid()):
        return State(Standing.PARTLY, f"{there} can be written by others", f"chmod 700 {there}")
    return State(Standing.WORKS, f"{cache / 'veristep'}")


FACILITY = Facility(
    "private cache",
    ("ENV",),
    "runs start slower: what was read and compiled once cannot be kept",
    _look,
)
