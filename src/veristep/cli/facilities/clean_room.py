"""The sandbox that replays run in."""

from __future__ import annotations

from veristep.cli.facilities.facility import Facility, Standing, State


def _look() -> State:
    from veristep.errors import UnavailableError
    from veristep.replay.sandbox import choose

    try:
        found = choose.choose()
    except UnavailableError as error:
        return State(Standing.MISSING, error.message, error.hint)
    said = f"{found.kind}: network: {found.network}; files: {found.files}"
    if found.kind is choose.Kind.BUBBLEWRAP:
        return State(Standing.WORKS, said)
    return State(Standing.PARTLY, said, "install bubblewrap and allow user namespaces for a stronger one")


FACILITY = Facility(
    "clean room",
    ("audit", "check"),
    "a replayed command can read this account's files and use its network",
    _look,
)
