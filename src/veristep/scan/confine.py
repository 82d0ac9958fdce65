"""What a process that looks at a file can still do: read what it was handed, compute, and answer.

The kernel refuses everything else: the filter lists the calls that are needed, and all others fail.
Sources: the kernel's ``Documentation/userspace-api/seccomp_filter.rst`` and its system call tables for
the numbers.
"""

from __future__ import annotations

import ctypes
import errno
import platform
import resource
import signal
import struct
import sys
from typing import Any

# Beyond what the process has mapped at its start, and what a file's large objects need without being read.
MEMORY = 1 << 30
MOST_OBJECTS = 16 << 30
CPU_SECONDS = 60
WALL_SECONDS = 300

_LOAD, _EQUAL, _ANY_BIT, _AT_LEAST, _RETURN = 0x20, 0x15, 0x45, 0x35, 0x06
_ALLOW, _ERRNO = 0x7FFF0000, 0x00050000
_NUMBER, _ARCHITECTURE, _THIRD = 0, 4, 32
_X32_BIT, _PROT_EXEC = 0x40000000, 4
_PR_SET_NO_NEW_PRIVS, _PR_SET_SECCOMP, _MODE_FILTER = 38, 22, 2
# AUDIT_ARCH_*; mmap, mprotect (never executable); and read, write, close, fstat, lseek, munmap, brk,
# rt_sigaction, rt_sigprocmask, rt_sigreturn, pread64, mremap, madvise, sched_yield, getpid, exit, fcntl,
# gettid, futex, clock_gettime, exit_group, newfstatat, getrandom, sigaltstack.
_CALLS = {
    "x86_64": (0xC000003E, (9, 10), (
        0, 1, 3, 5, 8, 11, 12, 13, 14, 15, 17, 25, 28, 24, 39, 60, 72, 186, 202, 228, 231, 262, 318, 131,
    )),
    "aarch64": (0xC00000B7, (222, 226), (
        63, 64, 57, 80, 62, 215, 214, 134, 135, 139, 67, 216, 233, 124, 172, 93, 25, 178, 98, 113,
        94, 79, 278, 132,
    )),
}  # fmt: skip
# Events of Python that a scan never raises; one that is raised all the same ends the process.
_REFUSED = ("compile", "exec", "import", "open", "pickle.find_class", "marshal.loads", "os.", "socket.",
            "subprocess.",            "ctypes.", "shutil.", "code.", "function.")  # fmt: skip
REFUSED_STATUS = 77


def limit(extra_memory: int) -> None:
    """Bound this process's memory, time and writes, for good."""
    with open("/proc/self/statm", encoding="ascii") as file:  # noqa: PTH123
        mapped = int(file.read().split()[0]) * resource.getpagesize()
    for what, most in (
        (resource.RLIMIT_AS, mapped + MEMORY + min(extra_memory, MOST_OBJECTS)),
        (resource.RLIMIT_CPU, CPU_SECONDS),
        (resource.RLIMIT_FSIZE, 0),
        (resource.RLIMIT_NPROC, 0),
        (resource.RLIMIT_CORE, 0),
    ):
        _, hard = resource.getrlimit(what)
        bound = most if hard == resource.RLIM_INFINITY else min(most, hard)
        resource.setrlimit(what, (bound, bound))
    signal.setitimer(signal.ITIMER_REAL, WALL_SECONDS)


def filtered() -> bool:
    """Put this process under the filter, for good; say whether this machine can."""
    calls = _CALLS.get(platform.machine())
    if calls is None or sys.platform != "linux":
        return False
    program = _program(*calls)

    class Program(ctypes.Structure):
        _fields_ = (("length", ctypes.c_ushort), ("filter", ctypes.c_char_p))

    libc = ctypes.CDLL(None, use_errno=True)
    given = Program(len(program) // 8, program)
    return not (
        libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
        or libc.prctl(_PR_SET_SECCOMP, _MODE_FILTER, ctypes.byref(given), 0, 0)
    )


def refuse_events() -> None:
    """End this process as soon as anything is imported, compiled, executed or opened in it, for good."""

    def watch(event: str, _arguments: Any) -> None:
        if event.startswith(_REFUSED):
            import os

            os._exit(REFUSED_STATUS)

    sys.addaudithook(watch)


def _program(architecture: int, mapping: tuple[int, ...], allowed: tuple[int, ...]) -> bytes:
    denied = (_RETURN, 0, 0, _ERRNO | errno.EPERM)
    lines = [(_LOAD, 0, 0, _ARCHITECTURE), (_EQUAL, 1, 0, architecture), denied, (_LOAD, 0, 0, _NUMBER)]
    lines += [(_AT_LEAST, 0, 1, _X32_BIT), denied]
    for number in allowed:
        lines += [(_EQUAL, 0, 1, number), (_RETURN, 0, 0, _ALLOW)]
    for number in mapping:
        check = [(_LOAD, 0, 0, _THIRD), (_ANY_BIT, 0, 1, _PROT_EXEC), denied, (_RETURN, 0, 0, _ALLOW)]
        lines += [(_EQUAL, 0, len(check), number), *check]
    lines.append(denied)
    return b"".join(struct.pack("=HBBI", *line) for line in lines)
