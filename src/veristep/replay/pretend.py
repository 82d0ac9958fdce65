"""Pretending: what a dormant trigger may look at, varied."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from veristep.replay.order import Order
from veristep.replay.room import Room

DAY_SECONDS = 86_400


@dataclass(frozen=True, slots=True)
class Guise:
    """What a replaying process is made to believe.

    Attributes:
        seconds: how much later the date is.
        host: the machine's name; empty for the true one.
        variables: environment variables to set, or to leave out where None.
        hides: whether Veristep is taken from where a script would look for it.
    """

    seconds: int = 0
    host: str = ""
    variables: Mapping[str, str | None] = field(default_factory=dict)
    hides: bool = False


# Another day of the week and another hour too: enough to tell a script that is seeded by the clock.
LATER = Guise(seconds=40 * DAY_SECONDS + 7 * 3600)


def dressed(room: Room, order: Order, guise: Guise) -> tuple[Room, Order]:
    """Return a room and an order whose processes put the guise on."""
    environment = dict(room.environment)
    for name, value in guise.variables.items():
        if value is None:
            environment.pop(name, None)
        else:
            environment[name] = value
    worn = {"seconds": guise.seconds, "host": guise.host, "hides": guise.hides}
    worn = {name: value for name, value in worn.items() if value}
    return replace(room, environment=environment), replace(order, guise=worn)
