"""The interpreter that Veristep itself runs on; a training may run on another."""

from __future__ import annotations

import platform
import sys
import sysconfig

from veristep.cli.facilities.facility import Facility, Standing, State

_TRIED = (3, 14)


def _look() -> State:
    version = f"{platform.python_implementation()} {platform.python_version()}"
    free = " without an interpreter lock" if sysconfig.get_config_var("Py_GIL_DISABLED") else ""
    said = f"{version}{free}, {sys.executable}"
    if sys.implementation.name != "cpython":
        hint = "use CPython: audit events and byte code are others here"
        return State(Standing.PARTLY, said, hint)
    if free or sys.version_info[:2] > _TRIED:
        newest = ".".join(map(str, _TRIED))
        return State(Standing.PARTLY, said, f"Veristep is tried on CPython up to {newest}, with its lock")
    return State(Standing.WORKS, said)


FACILITY = Facility(
    "Python",
    ("everything",),
    "the guard rests on CPython's audit events, byte code and import system",
    _look,
)
