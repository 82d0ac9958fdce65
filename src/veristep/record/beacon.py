"""Which blocks a step shows: an order that all ranks of a run share and none of them chooses.

The supervisor changes a random number, the beacon, in a page that every process of a run maps. The seed of
a step's sample is BLAKE3 of the beacon, the step and which digest it is for. Ranks agree on it without
talking, and the supervisor can tell a seed that somebody chose (`docs/adr/0005-comparing-replicas.md`).
"""

from __future__ import annotations

import os
import struct
from pathlib import Path

from blake3 import blake3

from veristep.record.shared import Pair

BEACON_NAME = "beacon"
# What a seed is for.
ENTRY, GRADS, PARAMS, TURN = range(4)

_SEED = struct.Struct("<QQB")


class Beacon:
    """The beacon of a run, as its processes see it."""

    def __init__(self, boot: Path) -> None:
        self._pair = Pair(boot / BEACON_NAME)

    def seed(self, step: int, what: int) -> int:
        """Return the seed of one of a step's samples (64 bits); drawn here while there is no beacon."""
        number = self._pair.get()[1]
        return seed(number, step, what) if number else int.from_bytes(os.urandom(8), "little")

    def show(self, moment: int, number: int) -> None:
        """Set the beacon; for the supervisor."""
        self._pair.set(moment, number)


def seed(number: int, step: int, what: int) -> int:
    """Return the seed that follows from a beacon."""
    return int.from_bytes(blake3(_SEED.pack(number, step, what)).digest(8), "little")
