"""The ledger of this user: that it can be written, and who else can."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from veristep.cli.facilities.facility import Facility, Standing, State
from veristep.guard.suspects import user_name, writable_by

_LEAST_BYTES = 1 << 30


def _look() -> State:
    from veristep.ledger.layout import default_path

    place = default_path()
    there = next(each for each in (place, *place.absolute().parents) if each.exists())
    if not os.access(there, os.W_OK):
        hint = "name another: VERISTEP_LEDGER, or --ledger"
        return State(
            Standing.MISSING, f"{place} cannot be written: {there} belongs to {_owner(there)}", hint
        )
    free = shutil.disk_usage(there).free
    said = f"{place}, {free // (1 << 30)} GiB free" + ("" if place.exists() else ", made by the first run")
    if free < _LEAST_BYTES:
        return State(Standing.PARTLY, said, "snapshots are dropped when the disk is full")
    status = there.stat()
    others = writable_by(status.st_mode, status.st_gid)
    if place.exists() and others:
        return State(Standing.PARTLY, f"{said}; {others} can write it", f"chmod go-w {place}")
    return State(Standing.WORKS, said)


def _owner(place: Path) -> str:
    return user_name(place.stat().st_uid)


FACILITY = Facility("ledger", ("everything",), "nothing is recorded", _look, required=True)
