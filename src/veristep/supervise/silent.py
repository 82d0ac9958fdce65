"""Python processes of a run that never said hello: nothing they do is recorded.

They were started with ``-E``, ``-I`` or ``-S``, with a ``PYTHONPATH`` of their own, or by somebody who
knows what the boot folder is for. One that ends within the first seconds is not noticed.
"""

from __future__ import annotations

import re
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from pathlib import Path

# A Python process says hello while it starts; on a cold network file system that takes a while. Time in
# which it got no processor does not count.
GRACE_SECONDS = 8.0
_PYTHON = re.compile(r"python[0-9.]*")
_MAX_PROCESSES = 4096


@dataclass(frozen=True, slots=True)
class Silent:
    """A Python process nobody has heard of."""

    pid: int
    program: str


class SilentProcesses:
    """Looks through a command and its descendants; what else its parent starts is none of the run's."""

    def __init__(self, command: int, parent: int, grace: float = GRACE_SECONDS) -> None:
        self._command = command
        self._parent = parent
        self._grace = grace
        self._first_seen: dict[int, float] = {}
        self._told: set[int] = set()

    def look(self, known: AbstractSet[int], now: float) -> list[Silent]:
        """Return the processes, each once, that had time to say hello and did not."""
        found = []
        alive: set[int] = set()
        waiting = [(self._command, self._parent)]
        while waiting and len(alive) < _MAX_PROCESSES:
            pid, parent = waiting.pop()
            alive.add(pid)
            waiting += [(child, pid) for child in _children(pid)]
            age = now - self._first_seen.setdefault(pid, now)
            if pid in known or pid in self._told or age < self._grace:
                continue
            if age - _starved(pid) < self._grace:
                continue
            program = _program(pid)
            if program and not _is_forked(pid, parent):
                self._told.add(pid)
                found.append(Silent(pid, program))
        self._first_seen = {pid: at for pid, at in self._first_seen.items() if pid in alive}
        return found


def _starved(pid: int) -> float:
    """Return how long a process has waited for a processor, in seconds; endless while for a disk."""
    try:
        if Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].split()[0] == b"D":
            return float("inf")
        return int(Path(f"/proc/{pid}/schedstat").read_text(encoding="ascii").split()[1]) / 1e9
    except (OSError, ValueError, IndexError):
        return 0.0


def _children(pid: int) -> list[int]:
    found = []
    try:
        for task in Path(f"/proc/{pid}/task").iterdir():
            found += [int(word) for word in (task / "children").read_text().split()]
    except (OSError, ValueError):
        return found
    return found


def _program(pid: int) -> str:
    """Return the name of a process's Python program; empty when it is none."""
    try:
        name = Path(f"/proc/{pid}/exe").readlink().name
        if _PYTHON.fullmatch(name):
            return name
        maps = Path(f"/proc/{pid}/maps").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
    return name if "/libpython" in maps else ""


def _is_forked(pid: int, parent: int) -> bool:
    """Whether a process still runs what its parent runs, and is recorded with it.

    The kernel draws the place of the stack anew whenever a program is started.
    """
    place = _stack_place(pid)
    return place > 1 and place == _stack_place(parent)


def _stack_place(pid: int) -> int:
    try:
        fields = Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].split()
        return int(fields[25])
    except (OSError, ValueError, IndexError):
        return 0
