"""Whether the kernel killed for want of memory: counted by the control group, and for the whole machine."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class OutOfMemory:
    """How often it did, at a moment; -1 where that is not told.

    Attributes:
        group: processes killed in the run's control group.
        machine: on the whole machine.
    """

    group: int
    machine: int

    @classmethod
    def now(cls) -> OutOfMemory:
        """Return the counts of this process's control group and machine."""
        return cls(_group(), _counted(Path("/proc/vmstat"), "oom_kill"))

    def since(self, before: OutOfMemory) -> str:
        """Return, in words, what happened since; empty when nothing did or nothing is told."""
        if 0 <= before.group < self.group:
            return "the run's control group ran out of memory: the kernel killed in it"
        if 0 <= before.machine < self.machine:
            return "the machine ran out of memory: the kernel killed a process in that time"
        return ""


def _group() -> int:
    try:
        lines = Path("/proc/self/cgroup").read_text(encoding="utf-8").splitlines()
    except OSError:
        return -1
    for line in lines:
        _, controllers, path = line.split(":", 2)
        if not controllers:
            found = _counted(Path("/sys/fs/cgroup") / path.lstrip("/") / "memory.events", "oom_kill")
        elif "memory" in controllers.split(","):
            found = _counted(Path(f"/sys/fs/cgroup/memory{path}/memory.oom_control"), "oom_kill")
        else:
            continue
        if found >= 0:
            return found
    return -1


def _counted(path: Path, name: str) -> int:
    try:
        lines = os.fsdecode(path.read_bytes()).splitlines()
    except OSError:
        return -1
    return next((int(line.split()[1]) for line in lines if line.split()[:1] == [name]), -1)
