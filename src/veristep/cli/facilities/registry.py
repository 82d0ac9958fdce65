"""pip of the base interpreter: how `veristep env lock` and clean rooms ask the registry."""

from __future__ import annotations

import importlib.util
import sys

from veristep.cli.facilities.facility import Facility, Standing, State

_HINT = "on Debian: apt install python3-venv"


def _look() -> State:
    missing = [name for name in ("venv", "ensurepip") if importlib.util.find_spec(name) is None]
    base = getattr(sys, "_base_executable", sys.executable)
    if missing:
        return State(Standing.MISSING, f"{base} has no module {' and no '.join(missing)}", _HINT)
    return State(
        Standing.WORKS, f"{base} can make an environment with a pip of its own; the network was not tried"
    )


FACILITY = Facility(
    "pip",
    ("env lock", "audit"),
    "no environment can be locked, and none rebuilt for an audit (--in-place is weaker)",
    _look,
)
