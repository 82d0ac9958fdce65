"""Processes of ours and their descendants, as the kernel shows them: what they take, and ending them.

Sources: proc(5) for ``stat``, ``statm`` and ``task/*/children``; the kernel's
``Documentation/admin-guide/cgroup-v2.rst`` for ``memory.events``.
"""

from __future__ import annotations

import os
import signal
from contextlib import suppress
from pathlib import Path

_EVENTS = Path("/sys/fs/cgroup/memory.events")


def out_of_memory_kills() -> int:
    """Return how many processes of this control group the kernel has ended for lack of memory."""
    with suppress(OSError, ValueError, IndexError):
        for line in _EVENTS.read_text(encoding="ascii").splitlines():
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


def kill(pids: list[int]) -> None:
    """Kill processes, the last of the list first; those that are gone are passed over."""
    for each in reversed(pids):
        with suppress(ProcessLookupError, PermissionError):
            os.kill(each, signal.SIGKILL)


def end_tree(pid: int) -> None:
    """Kill a process of ours and all its descendants, also those in sessions of their own."""
    with suppress(ProcessLookupError, PermissionError):
        # Stopped first, so that it starts nothing more while its descendants are looked up.
        os.kill(pid, signal.SIGSTOP)
    kill(tree(pid))
