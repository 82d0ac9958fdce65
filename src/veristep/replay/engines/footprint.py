"""How much memory a replay will take, and how much there is.

Sources: proc(5) for ``meminfo``; the kernel's ``Documentation/admin-guide/cgroup-v2.rst`` for
``memory.max`` and ``memory.current``.
"""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

from veristep.replay.plan.intervals import Interval
from veristep.replay.recorded import RecordedRun

# A process that has imported torch and trains nothing.
BASE_BYTES = 450 << 20
# Parameters, gradients, the state read from the snapshot, and the state compared at the end.
SNAPSHOT_FACTOR = 4
# What the replays may take of the memory that is free when the audit begins.
SHARE = 0.8

_CGROUP = Path("/sys/fs/cgroup")


def estimate(run: RecordedRun, interval: Interval) -> int:
    """Return the bytes a replay of an interval will take, before any was measured."""
    sizes = [
        max((snapshot.size for snapshot in run.streams[name].snapshots.values()), default=0)
        for name in interval.streams
    ]
    return sum(BASE_BYTES + SNAPSHOT_FACTOR * size for size in sizes)


def available() -> int:
    """Return the bytes that replays may take when nobody says: most of what is free now."""
    free = [_meminfo("MemAvailable")]
    limit, used = _number(_CGROUP / "memory.max"), _number(_CGROUP / "memory.current")
    if limit is not None and used is not None:
        free.append(max(0, limit - used))
    return int(SHARE * min(free))


def _meminfo(name: str) -> int:
    with suppress(OSError, ValueError, IndexError):
        for line in Path("/proc/meminfo").read_text(encoding="ascii").splitlines():
            if line.startswith(name + ":"):
                return int(line.split()[1]) << 10
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


def _number(path: Path) -> int | None:
    try:
        return int(path.read_text(encoding="ascii"))
    except (OSError, ValueError):
        return None
