"""Which blocks a step shows: an order that all ranks of a run share and none of them chooses.

The supervisor changes a random number, the beacon, in a page that every process of a run maps. The seed of
a step's sample follows from the beacon, the step and which digest it is for. Ranks agree on it without
talking, and the supervisor can tell a seed that somebody chose (`docs/adr/0005-comparing-replicas.md`).
"""

from __future__ import annotations

import os
from pathlib import Path

from veristep.record.shared import Pair

BEACON_NAME = "beacon"
# What a seed is for.
ENTRY, GRADS, PARAMS, TURN = range(4)

_MASK = (1 << 64) - 1


class Beacon:
    """The beacon of a run, as its processes see it.

    Attributes:
        numbers: when it was set, and the beacon; 0 while there is none.
    """

    def __init__(self, boot: Path) -> None:
        self._pair = Pair(boot / BEACON_NAME)
        self.numbers = self._pair.numbers

    def seed(self, step: int, what: int) -> int:
        """Return the seed of one of a step's samples."""
        return seed(self.numbers[1], step, what)

    def show(self, moment: int, number: int) -> None:
        """Set the beacon; for the supervisor."""
        self._pair.set(moment, number)


def seed(number: int, step: int, what: int) -> int:
    """Return the seed (64 bits) that follows from a beacon; drawn here while there is none.

    The finaliser of SplitMix64 (Steele, Lea and Flood, "Fast splittable pseudorandom number generators",
    2014) over the beacon, moved on by a step of its own for each sample. That nobody foresees a seed is the
    beacon's doing; here it is only spread over all bits, without a call whose code is in no cache.
    """
    if not number:
        return int.from_bytes(os.urandom(8), "little")
    mixed = (number + (4 * step + what + 1) * 0x9E3779B97F4A7C15) & _MASK
    mixed = ((mixed ^ (mixed >> 30)) * 0xBF58476D1CE4E5B9) & _MASK
    mixed = ((mixed ^ (mixed >> 27)) * 0x94D049BB133111EB) & _MASK
    return mixed ^ (mixed >> 31)
