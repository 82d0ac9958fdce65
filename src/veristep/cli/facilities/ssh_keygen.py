"""ssh-keygen: signatures of people."""

from __future__ import annotations

from veristep.cli.facilities.facility import Facility, State
from veristep.cli.facilities.programs import program


def _look() -> State:
    return program("ssh-keygen", [], "apt install openssh-client, or what your system calls it")


FACILITY = Facility(
    "ssh-keygen",
    ("FILE", "audit", "artifact"),
    "nobody can sign for a protected file, or commit to a draw with a key of their own",
    _look,
)
