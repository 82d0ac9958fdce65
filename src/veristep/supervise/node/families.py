"""Which processes belong to which supervised run: kept up by the kernel's word on every fork."""

from __future__ import annotations

from collections.abc import Iterable

# Ended processes are remembered, as who sent a signal may be gone when it is told of.
MOST = 200_000


class Families:
    """Supervisors, and all that descends from each since it was first heard of."""

    def __init__(self) -> None:
        self._of: dict[int, int] = {}

    def add(self, supervisor: int, descendants: Iterable[int]) -> None:
        """Take in a supervisor with the processes it has."""
        self._of[supervisor] = supervisor
        for pid in descendants:
            self._of[pid] = supervisor

    def forked(self, parent: int, child: int) -> None:
        """Take in a fork."""
        family = self._of.get(parent)
        if family is None:
            # The number was somebody's who has ended.
            self._of.pop(child, None)
            return
        self._of[child] = family
        if len(self._of) > MOST:
            self._of.pop(next(iter(self._of)))

    def of(self, pid: int) -> int:
        """Return the supervisor a process belongs to; 0 for none."""
        return self._of.get(pid, 0)

    def forget(self, supervisor: int) -> None:
        """Let a family go."""
        self._of = {pid: family for pid, family in self._of.items() if family != supervisor}
