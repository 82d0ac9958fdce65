"""Which chunk of some data is read next: drawn at random, by nobody's leave, and counted once."""

from __future__ import annotations

import itertools
import random
from bisect import bisect_right
from collections.abc import Sequence

# Up to so many chunks their order is drawn; beyond it each draw stands for itself, which needs no memory.
_ORDERED = 100_000


class Drawing:
    """Draws chunks of files, and counts those that were seen."""

    def __init__(self, counts: Sequence[int]) -> None:
        """Draw from files that have so many chunks each."""
        self._starts = [0, *itertools.accumulate(counts)]
        self._seen = bytearray(self._starts[-1])
        self._order: list[int] = []
        self._random = random.SystemRandom()
        self.count = 0

    def next(self) -> tuple[int, int] | None:
        """Return the number of a file and of one of its chunks; None when there is none at all."""
        total = self._starts[-1]
        if not total:
            return None
        if total > _ORDERED:
            place = self._random.randrange(total)
        else:
            if not self._order:
                self._order = list(range(total))
                self._random.shuffle(self._order)
            place = self._order.pop()
        number = bisect_right(self._starts, place) - 1
        return number, place - self._starts[number]

    def saw(self, number: int, start: int, stop: int) -> None:
        """Count the chunks of a file from `start` to before `stop` as seen."""
        begin = self._starts[number]
        for place in range(begin + start, begin + stop):
            self.count += not self._seen[place]
            self._seen[place] = 1
