"""The gate of loads: its hook in C where it was built, in Python otherwise."""

from __future__ import annotations

import importlib
import subprocess
import sys

from veristep.cli.facilities.facility import Facility, Standing, State

# In a process of its own: a hook cannot be taken out again.
_TRY = """
import sys
sys.path[:0] = {path!r}
from veristep.guard.load import gate
class _Settings:
    boot = directory = root = ""
    actions = {{}}
    began_ns = 0
    native = True
guard = gate._Gate(_Settings())
print(gate._add(frozenset(), guard, native=True), gate.stands())
"""


def _look() -> State:
    done = subprocess.run(
        [sys.executable, "-c", _TRY.format(path=[each for each in sys.path if each])],
        capture_output=True,
        text=True,
        timeout=20,
        check=False,
    )
    kind, _, stands = done.stdout.strip().partition(" ")
    if stands != "True":
        last = (done.stderr.strip().splitlines() or ["it refused nothing"])[-1]
        return State(Standing.MISSING, f"the gate does not stand: {last[:200]}")
    if kind == "native":
        name = importlib.import_module("veristep.guard.load.gate_native").__file__
        return State(Standing.WORKS, f"the hook in C, {name}")
    return State(
        Standing.PARTLY,
        "the hook in Python: it refuses the same, and code in the process can reach it more easily",
        "install a C compiler and Python's headers, then Veristep again: it builds the hook in C",
    )


FACILITY = Facility("gate of loads", ("LOAD",), "loads are not refused while they happen", _look)
