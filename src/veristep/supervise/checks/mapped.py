"""The native libraries that a run's processes execute, looked at now and then while they do."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from veristep.core.checks import Tally
from veristep.core.verdicts import Finding
from veristep.guard.env import exposed_library, mapping, replaced_library
from veristep.guard.env.mapping import Mapped
from veristep.guard.env.replaced_library import Standing
from veristep.supervise.checks.protocol import Check, Subject
from veristep.supervise.env import affected

# Reading the map of a process with torch loaded takes about a millisecond. Most libraries are loaded in the
# beginning: a young process is looked at more often.
SOON_SECONDS, LATER_SECONDS = 0.5, 5.0
MOST_PROCESSES = 64


@dataclass(frozen=True, slots=True)
class _Turn:
    """When a process was first heard of, and when it is looked at next."""

    first: float
    next: float = 0.0

    def after(self, now: float) -> _Turn:
        pause = min(LATER_SECONDS, max(SOON_SECONDS, (now - self.first) / 4))
        return _Turn(self.first, now + pause)


class MappedLibraries(Check):
    """Inode and change time of every file that is mapped to be executed."""

    name = "mapped"

    def __init__(self, subject: Subject) -> None:
        self._imports = subject.imports
        self._started_ns: dict[int, int] = {}
        self._alive: dict[int, _Turn] = {}
        self._looked_at: set[int] = set()
        self._seen: dict[Mapped, int] = {}
        self._told: set[tuple[str, str]] = set()

    def hear(self, line: Mapping[str, Any]) -> list[Finding]:
        """Learn of the run's processes."""
        pid = line.get("peer_pid")
        if line.get("type") == "hello" and isinstance(pid, int):
            self._started_ns[pid] = int(line.get("time_ns", 0))
            self._alive[pid] = _Turn(time.monotonic())
        return []

    def look(self) -> list[Finding]:
        """Look at the processes that live, if it is time."""
        now = time.monotonic()
        due = [pid for pid, turn in self._alive.items() if now >= turn.next][:MOST_PROCESSES]
        for pid in due:
            self._alive[pid] = self._alive[pid].after(now)
            self._process(pid)
        return self._judge_all() if due else []

    def finish(self) -> list[Finding]:
        """See whether what was in use is still what it was."""
        return self._judge_all()

    def coverage(self) -> Mapping[str, Tally]:
        """Return how many libraries were looked at, and in how many processes."""
        if not self._started_ns:
            return {}
        libraries = len({each.path for each in self._seen})
        total = len(self._started_ns)
        why = "over before it was looked at, or not ours to look at"
        missing = {why: total - len(self._looked_at)} if total > len(self._looked_at) else {}
        return {
            "libraries": Tally(libraries, libraries),
            "processes": Tally(total, len(self._looked_at), missing),
        }

    def _process(self, pid: int) -> None:
        try:
            maps = Path(f"/proc/{pid}/maps").read_text(encoding="utf-8", errors="surrogateescape")
        except OSError:
            self._alive.pop(pid, None)
            return
        self._looked_at.add(pid)
        for mapped in mapping.executable(maps):
            if mapped not in self._seen:
                self._seen[mapped] = self._started_ns[pid]
                self._imports.library(mapped.path, _state(mapped))

    def _judge_all(self) -> list[Finding]:
        found = []
        for mapped, since_ns in self._seen.items():
            for each in _judged(mapped, since_ns):
                if (each.rule, mapped.path) not in self._told:
                    self._told.add((each.rule, mapped.path))
                    found.append(each)
        return found


def _state(mapped: Mapped) -> str:
    """Return the state of the file that is mapped; empty when another stands at its path by now."""
    with contextlib.suppress(OSError):
        device, inode, state = affected.state_of(mapped.path)
        if (device, inode) == (mapped.device, mapped.inode):
            return state
    return ""


def _judged(mapped: Mapped, since_ns: int) -> list[Finding]:
    path = Path(mapped.path)
    standing, exposed = Standing(), None
    with contextlib.suppress(OSError):
        status, folder = path.stat(), path.parent.stat()
        standing = Standing(status.st_dev, status.st_ino, status.st_ctime_ns)
        exposed = exposed_library.of(mapped.path, status.st_mode, folder.st_mode)
    replaced = replaced_library.of(mapped, standing, since_ns)
    return [each for each in (replaced, exposed) if each is not None]
