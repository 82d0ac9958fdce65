"""Why a replay gave no answer, in words that say what to do: read from how it ended and what it printed."""

from __future__ import annotations

import errno
import re
import signal
from contextlib import suppress

_MEMORY = (
    "MemoryError",
    "can't allocate memory",
    "Cannot allocate memory",
    "std::bad_alloc",
    "OutOfMemoryError",
    "out of memory",
)
_NETWORK = (
    "Temporary failure in name resolution",
    "Name or service not known",
    "Network is unreachable",
    "NameResolutionError",
    "Max retries exceeded with url",
    "ConnectionRefusedError",
    "ConnectionResetError",
    "urlopen error",
    "OfflineModeIsEnabled",
    "LocalEntryNotFoundError",
    "couldn't connect to",
    "nodename nor servname",
)
_DISK = ("No space left on device", "Disk quota exceeded", "File too large", "database or disk is full")
_GONE = re.compile(r"(?:FileNotFoundError: |)\[Errno 2\] No such file or directory: ('[^'\n]{1,300}')")

TOO_LITTLE_MEMORY = "too little memory for the replay: free some, use fewer --workers, or a larger machine"
DISK_FULL = (
    "the disk is full where the replay writes: free some space there, or set TMPDIR to another place"
)
# What a replay's reason says where its disk had no room left at its end.
NO_ROOM = "with no room left on its disk"
_WHO_KILLED = "if it ends so each time, see the kernel's log and the limits of this job"
NEEDS_NETWORK = (
    "the script needs the network, which a replay does not have: fetch what it loads before the run, "
    "and have it read from the disk"
)


def ended(status: int | None, out_of_memory: bool = False) -> str:
    """Return how a process ended, in words: negative statuses are signals, as `subprocess` has them.

    `out_of_memory` tells that the kernel ended a process for lack of memory meanwhile.
    """
    if status is None:
        return "did not end"
    if status >= 0 and status not in _SHELL:
        return f"ended (status {status})"
    number = -status if status < 0 else status - 128
    name = f"signal {number}"
    with suppress(ValueError):
        name = f"signal {number}, {signal.Signals(number).name}"
    if number == signal.SIGKILL and out_of_memory:
        return f"was killed ({name}) by the kernel, for lack of memory"
    return f"was killed ({name})"


# What a shell or torchrun's parent reports of a child that a signal ended.
_SHELL = frozenset(
    128 + number for number in (signal.SIGKILL, signal.SIGTERM, signal.SIGSEGV, signal.SIGABRT)
)


def explain(reason: str, output: str) -> str:
    """Return the reason, led by its cause where the end of what the script printed shows one."""
    for marks, cause in ((_MEMORY, TOO_LITTLE_MEMORY), (_DISK, DISK_FULL), (_NETWORK, NEEDS_NETWORK)):
        if any(mark in output for mark in marks):
            return f"{cause} ({reason})"
    if NO_ROOM in reason:
        return f"{DISK_FULL} ({reason})"
    if "for lack of memory" in reason:
        return f"{TOO_LITTLE_MEMORY} ({reason})"
    gone = _GONE.findall(output)
    if gone:
        what = f"a file the run read is gone: {gone[-1]}: put it back as it was"
        return f"{what} ({reason})"
    if "was killed (" in reason:
        return f"{reason}: audit again; {_WHO_KILLED}"
    return reason


def of_error(error: OSError) -> str:
    """Return why a replay could not be prepared, without names of scratch folders."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
        return DISK_FULL
    if error.errno in (errno.ENOMEM, errno.EAGAIN):
        return TOO_LITTLE_MEMORY
    return f"the replay could not be prepared or read: {error.strerror or type(error).__name__}"
