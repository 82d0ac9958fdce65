"""Who runs the supervisor: another user than the trainings', or the same."""

from __future__ import annotations

import os

from veristep.cli.facilities.facility import Facility, Standing, State
from veristep.guard.suspects import user_name


def _look() -> State:
    me = user_name(os.getuid())
    return State(
        Standing.PARTLY,
        f"the supervisor runs as {me}, as the trainings it starts do, and the ledger is theirs to write",
        "keep checkpoints of the ledger elsewhere (ledger/checkpoint), and audit on another account",
    )


FACILITY = Facility(
    "separation",
    ("everything",),
    "whoever has this account can stop the supervisor or edit its ledger: both are seen afterwards, by "
    "silence and by whoever kept a checkpoint, and neither is prevented",
    _look,
)
