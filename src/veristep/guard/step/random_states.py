"""Random states that come again: a generator that only ever moves on has no state twice."""

from __future__ import annotations

from collections import OrderedDict

_KEPT = 20_000
_MOST_TOLD = 3


class RandomStates:
    """The random states at the beginning of a process's steps, by digest."""

    def __init__(self) -> None:
        self._seen: OrderedDict[str, int] = OrderedDict()
        self._last = ""
        self._told = 0

    def add(self, step: int, digest: str) -> int | None:
        """Take in a step's state; return the earlier step that began with it, if others lay between.

        A script that draws nothing has one state for ever: that is not a return.
        """
        last, self._last = self._last, digest
        if digest == last:
            return None
        earlier = self._seen.get(digest)
        self._seen[digest] = step
        if len(self._seen) > _KEPT:
            self._seen.popitem(last=False)
        if earlier is None or self._told >= _MOST_TOLD:
            return None
        self._told += 1
        return earlier
