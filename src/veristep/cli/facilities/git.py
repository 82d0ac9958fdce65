"""git: what the code of a run is compared with."""

from __future__ import annotations

from veristep.cli.facilities.facility import Facility, State
from veristep.cli.facilities.programs import program


def _look() -> State:
    return program("git", ["--version"], "apt install git, or what your system calls it")


FACILITY = Facility(
    "git",
    ("CODE",),
    "the code of a run is kept, and not compared with commits; findings name no commit",
    _look,
)
