"""A replay ends with the process that started it."""

from __future__ import annotations

import ctypes
import os
import signal

_PR_SET_PDEATHSIG = 1


def end_with(parent: int) -> None:
    """Have the kernel end this process when the thread that started it ends.

    Called between fork and exec, so that no end of a parent goes unnoticed: one that is over already is
    seen by its id. The kernel keeps the wish across exec, unless the program is setuid.

    Args:
        parent: id of the process that called fork.
    """
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != parent:
        os._exit(1)
