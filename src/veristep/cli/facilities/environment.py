"""The reference of the Python environment that a command would start in, from here."""

from __future__ import annotations

import os

from veristep.cli.facilities.facility import Facility, Standing, State


def _look() -> State:
    from veristep.guard.env import layout
    from veristep.ledger.layout import default_path
    from veristep.ledger.log import Ledger
    from veristep.supervise.env import locking

    executable = layout.interpreter_of(["python3"], os.environ)
    if not executable:
        return State(Standing.MISSING, "which Python `python3` starts here cannot be told", "activate one")
    place = layout.of_executable(executable, os.environ)
    hint = f"veristep env lock {place.prefix}"
    if not default_path().exists():
        return State(Standing.MISSING, f"{place.prefix} is not locked: there is no ledger yet", hint)
    with Ledger.open(default_path()) as ledger:
        found = locking.latest(ledger, place.prefix)
    if found is None:
        return State(Standing.MISSING, f"{place.prefix} is not locked", hint)
    body = found[0].body
    total, published = body.get("distributions"), body.get("published")
    said = f"{place.prefix} is locked: {published} of {total} distributions from the registry"
    if total != published:
        return State(Standing.PARTLY, said, "the others are compared with how they stood")
    return State(Standing.WORKS, said)


FACILITY = Facility(
    "environment",
    ("ENV",),
    "what is installed is not compared with what was published; what runs at start-up is looked at all the "
    "same",
    _look,
)
