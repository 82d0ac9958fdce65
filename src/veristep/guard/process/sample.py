"""One look at a thread of this process: which code it executes, and what the kernel says that it waits for.

``/proc/self/task/TID/syscall`` names the call a thread is blocked in, ``schedstat`` how long it has run and
how long it waited for a processor (`proc(5)`, ``Documentation/scheduler/sched-stats.rst``). Both are a
process's own to read, whatever its rights.
"""

from __future__ import annotations

import os
import platform
import sys
from dataclasses import dataclass

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import FrameType

MOST_FRAMES = 40
# Calls by number, per machine: linux's unistd tables.
_CALLS = {
    "x86_64": {
        35: "nanosleep", 230: "clock_nanosleep", 202: "futex", 7: "poll", 271: "ppoll", 23: "select",
        270: "pselect6", 232: "epoll_wait", 281: "epoll_pwait", 61: "wait4", 247: "waitid", 0: "read",
        45: "recvfrom", 47: "recvmsg", 34: "pause", 130: "rt_sigsuspend", 128: "rt_sigtimedwait",
        42: "connect", 43: "accept", 288: "accept4", 73: "flock", 74: "fsync", 65: "semop",
        220: "semtimedop",
        1: "write", 72: "fcntl", 24: "sched_yield", 449: "futex_waitv",
    },
    "aarch64": {
        101: "nanosleep", 115: "clock_nanosleep", 98: "futex", 73: "ppoll", 72: "pselect6",
        22: "epoll_pwait",
        260: "wait4", 95: "waitid", 63: "read", 207: "recvfrom", 212: "recvmsg", 133: "rt_sigsuspend",

        137: "rt_sigtimedwait", 203: "connect", 202: "accept", 242: "accept4", 32: "flock", 82: "fsync",

        193: "semop", 192: "semtimedop", 64: "write", 25: "fcntl", 124: "sched_yield", 449: "futex_waitv",
    },
}  # fmt: skip
CALLS = _CALLS.get(platform.machine(), {})
RUNNING = "running"
# A thread in one of these does nothing until the time is over.
_SLEEPS = frozenset(("nanosleep", "clock_nanosleep", "pause"))
# ... and in one of these when it waits for no file at all.
_OF_FILES = {"poll": 1, "ppoll": 1, "select": 0, "pselect6": 0}


@dataclass(frozen=True, slots=True)
class Call:
    """What a thread is blocked in.

    Attributes:
        name: of the system call, `RUNNING`, or its number where it is not known.
        sleeps: whether it waits for nothing but time.
        stack: address of its stack; 0 when not told.
    """

    name: str
    sleeps: bool = False
    stack: int = 0


def parse_call(text: str, calls: dict[int, str] | None = None) -> Call:
    """Return what the line of ``/proc/PID/task/TID/syscall`` says; `RUNNING` where it says nothing."""
    words = text.split()
    if not words or not words[0].lstrip("-").isdecimal():
        return Call(RUNNING)
    number = int(words[0])
    if number < 0:
        return Call("none")  # blocked, but not in a call: a page fault
    name = (CALLS if calls is None else calls).get(number, f"call {number}")
    try:
        arguments = [int(word, 16) for word in words[1:]]
    except ValueError:
        return Call(name)
    place = _OF_FILES.get(name)
    no_file = place is not None and len(arguments) > place and arguments[place] == 0
    stack = arguments[6] if len(arguments) > 7 else 0
    return Call(name, name in _SLEEPS or no_file, stack)


class Thread:
    """A thread of this process, looked at from another.

    Attributes:
        ident: as Python names it.
        native: as the kernel does.
    """

    def __init__(self, ident: int, native: int) -> None:
        self.ident = ident
        self.native = native
        folder = f"/proc/self/task/{native}"
        flags = os.O_RDONLY | os.O_CLOEXEC
        self._call = _opened(f"{folder}/syscall", flags)
        self._times = _opened(f"{folder}/schedstat", flags)

    @property
    def told(self) -> bool:
        """Whether the kernel tells what the thread waits for."""
        return self._call >= 0 and bool(CALLS)

    def call(self) -> Call:
        """Return what it is blocked in."""
        return parse_call(_read(self._call))

    def times(self) -> tuple[int, int]:
        """Return for how long it has run, and waited for a processor: nanoseconds."""
        words = _read(self._times).split()
        return (int(words[0]), int(words[1])) if len(words) > 1 else (0, 0)

    def frames(self) -> list[tuple[str, int, str]]:
        """Return file, line and function of what it executes, innermost first."""
        frame: FrameType | None = sys._current_frames().get(self.ident)
        found: list[tuple[str, int, str]] = []
        while frame is not None and len(found) < MOST_FRAMES:
            code = frame.f_code
            found.append((code.co_filename, frame.f_lineno or 0, code.co_name))
            frame = frame.f_back
        return found


def _opened(path: str, flags: int) -> int:
    try:
        return os.open(path, flags)
    except OSError:
        return -1


def _read(descriptor: int) -> str:
    if descriptor < 0:
        return ""
    try:
        return os.pread(descriptor, 256, 0).decode("ascii", "replace")
    except OSError:
        return ""
