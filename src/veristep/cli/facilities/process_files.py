"""What the kernel tells of processes: ``/proc``."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from veristep.cli.facilities.facility import Facility, Standing, State


def _look() -> State:
    if not Path("/proc/self/maps").exists():
        return State(Standing.MISSING, "there is no /proc", "mount it: containers can be given one")
    # A child is what a training is to its supervisor.
    with subprocess.Popen([sys.executable, "-I", "-S", "-c", "input()"], stdin=subprocess.PIPE) as child:
        try:
            unread = [name for name in ("maps", "environ", "smaps") if not _reads(child.pid, name)]
        finally:
            child.kill()
    if unread:
        names = ", ".join(f"/proc/PID/{each}" for each in unread)
        hint = "a security module keeps it; the supervisor has to be of the training's user"
        return State(Standing.PARTLY, f"{names} of a child cannot be read", hint)
    return State(
        Standing.WORKS, f"maps and environment of children can be read, kernel {os.uname().release}"
    )


def _reads(pid: int, name: str) -> bool:
    try:
        Path(f"/proc/{pid}/{name}").read_bytes()
    except OSError:
        return False
    return True


FACILITY = Facility(
    "/proc",
    ("ENV", "MEM", "PROC"),
    "which libraries a process has mapped, what it was started with, and which process never said hello",
    _look,
)
