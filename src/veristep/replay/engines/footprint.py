"""How much memory a replay takes, and how much there is: read from the kernel, estimated before.

Sources: proc(5) for ``stat``, ``statm``, ``task/*/children`` and ``meminfo``; the kernel's
``Documentation/admin-guide/cgroup-v2.rst`` for ``memory.max``, ``memory.current`` and ``memory.events``.
"""

from __future__ import annotations

import os
import signal
from contextlib import suppress
from pathlib import Path

from veristep.replay.plan import Interval
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


def out_of_memory_kills() -> int:
    """Return how many processes of this control group the kernel has ended for lack of memory."""
    with suppress(OSError, ValueError, IndexError):
        for line in (_CGROUP / "memory.events").read_text(encoding="ascii").splitlines():
            if line.startswith("oom_kill "):
                return int(line.split()[1])
    return 0


def tree(pid: int) -> list[int]:
    """Return a process and its descendants, parents first, as they are now."""
    found, waiting = [], [pid]
    while waiting:
        each = waiting.pop(0)
        found.append(each)
        with suppress(OSError, ValueError):
            for children in Path(f"/proc/{each}/task").glob("*/children"):
                waiting += [int(word) for word in children.read_text(encoding="ascii").split()]
    return found


def resident(pid: int) -> int:
    """Return the bytes a process and its descendants hold; pages they share count once for each."""
    page = os.sysconf("SC_PAGE_SIZE")
    total = 0
    for each in tree(pid):
        with suppress(OSError, ValueError, IndexError):
            total += int(Path(f"/proc/{each}/statm").read_text(encoding="ascii").split()[1]) * page
    return total


def processor_seconds(pid: int) -> float:
    """Return the processor seconds of a process, its descendants and those of theirs that ended."""
    tick = os.sysconf("SC_CLK_TCK")
    total = 0
    for each in tree(pid):
        with suppress(OSError, ValueError, IndexError):
            fields = Path(f"/proc/{each}/stat").read_text(encoding="ascii", errors="replace")
            # utime, stime, cutime and cstime are fields 14 to 17; the name in field 2 may hold anything.
            total += sum(int(word) for word in fields.rpartition(")")[2].split()[11:15])
    return total / tick


def end_tree(pid: int) -> None:
    """Kill a process of ours and all its descendants, also those in sessions of their own."""
    with suppress(ProcessLookupError, PermissionError):
        # Stopped first, so that it starts nothing more while its descendants are looked up.
        os.kill(pid, signal.SIGSTOP)
    for each in reversed(tree(pid)):
        with suppress(ProcessLookupError, PermissionError):
            os.kill(each, signal.SIGKILL)


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
