"""Finding a program and asking it for its version, for the facilities that are one."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Sequence

from veristep.cli.facilities.facility import Standing, State

_SECONDS = 5


def program(name: str, asked: Sequence[str], hint: str) -> State:
    """Return whether there is a program, and what it says of itself.

    Args:
        name: of the program.
        asked: words it is asked with; empty when it must not be started.
        hint: how to get it.
    """
    place = shutil.which(name)
    if place is None:
        return State(Standing.MISSING, f"there is no {name} on PATH", hint)
    said = ""
    if asked:
        done = subprocess.run(
            [place, *asked], capture_output=True, text=True, timeout=_SECONDS, check=False
        )
        said = (done.stdout.strip().splitlines() or [""])[0]
    return State(Standing.WORKS, f"{said or name}, {place}")
