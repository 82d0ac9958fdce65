"""Pretending: what a dormant trigger may look at, varied, and the same steps replayed again.

A replay that agrees with the record shows that nothing acted then and nothing acts now. Code that waits for
another date, host or job does neither. So some intervals are replayed once more under a guise, with
everything varied at once, and one by one where that changes the result. Steps that come out otherwise
depend on what no training should depend on.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from veristep.replay.order import Order
from veristep.replay.room.furnish import Room

DAY_SECONDS = 86_400
HOST = "node0451.train.example"
_JOB: Mapping[str, str | None] = {
    "SLURM_JOB_ID": "4510023",
    "SLURM_JOBID": "4510023",
    "SLURM_JOB_NAME": "pretrain-large",
    "SLURM_JOB_NUM_NODES": "64",
    "SLURM_NNODES": "64",
    "SLURM_JOB_PARTITION": "train",
    "SLURM_JOB_USER": "trainer",
    "SLURM_SUBMIT_HOST": "login2",
    "SLURMD_NODENAME": HOST,
    "SLURM_NODELIST": "node[0400-0463]",
    "SLURM_JOB_NODELIST": "node[0400-0463]",
}
_WORLD: Mapping[str, str | None] = {
    "WORLD_SIZE": "512",
    "LOCAL_WORLD_SIZE": "8",
    "NNODES": "64",
    "GROUP_WORLD_SIZE": "64",
}


@dataclass(frozen=True, slots=True)
class Guise:
    """What a replaying process is made to believe.

    Attributes:
        seconds: how much later the date is.
        host: the machine's name; empty for the true one.
        variables: environment variables to set, or to leave out where None.
        hides: whether Veristep is taken from where a script would look for it.
        counts_on: whether the script has taken more steps of its own before, where it can.
    """

    seconds: int = 0
    host: str = ""
    variables: Mapping[str, str | None] = field(default_factory=dict)
    hides: bool = False
    counts_on: bool = False

    def over(self, other: Guise) -> Guise:
        """Return both guises, one over the other."""
        return Guise(
            self.seconds or other.seconds,
            self.host or other.host,
            {**other.variables, **self.variables},
            self.hides or other.hides,
            self.counts_on or other.counts_on,
        )


# Another month, day of the week and hour: enough to tell a script that is seeded by the clock.
LATER = Guise(seconds=40 * DAY_SECONDS + 7 * 3600)
# What a trigger may look at, as a finding names it. Years later, for what waits for its day.
VARIED: Mapping[str, Guise] = {
    "the date": Guise(seconds=3 * 365 * DAY_SECONDS + 7 * 3600),
    "the host's name": Guise(host=HOST, variables={"HOSTNAME": HOST, "HOST": HOST}),
    "the user's name": Guise(variables=dict.fromkeys(("USER", "LOGNAME", "LNAME", "USERNAME"), "trainer")),
    "variables of a batch job": Guise(variables=_JOB),
    "variables of a large world": Guise(variables=_WORLD),
    "the presence of Veristep": Guise(hides=True),
    "how many steps the process has taken": Guise(counts_on=True),
}


def everything(names: list[str]) -> Guise:
    """Return the guise that varies all of `names` at once."""
    guise = Guise()
    for name in names:
        guise = VARIED[name].over(guise)
    return guise


def dressed(room: Room, order: Order, guise: Guise) -> tuple[Room, Order]:
    """Return a room and an order whose processes put the guise on."""
    environment = dict(room.environment)
    for name, value in guise.variables.items():
        if value is None:
            environment.pop(name, None)
        else:
            environment[name] = value
    worn: dict[str, Any] = {"seconds": guise.seconds, "host": guise.host, "hides": guise.hides}
    worn = {name: value for name, value in worn.items() if value}
    return replace(room, environment=environment), replace(order, guise=worn)
