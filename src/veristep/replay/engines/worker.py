"""The process that judges for the local engine: one interval at a time, from its only thread."""

from __future__ import annotations

import ctypes
import os
import pickle
import signal
import tempfile
from contextlib import suppress
from multiprocessing.connection import Connection

from veristep.replay.audit import Auditor
from veristep.replay.engines.protocol import judge
from veristep.replay.plan.intervals import Interval

_PR_SET_PDEATHSIG = 1


def serve(pipe: Connection, auditor: bytes, scratch: str, nice: int, parent: int) -> None:
    """Judge the intervals that come through `pipe` until it is closed.

    `auditor` is a pickled `Auditor`, `scratch` the folder for everything temporary, `parent` the process
    without which there is nobody to judge for.
    """
    die_with(parent)
    # Ctrl-C reaches all of the terminal's processes; the parent decides what it means.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    tempfile.tempdir = scratch
    with suppress(OSError):
        os.nice(nice)
    known: Auditor = pickle.loads(auditor)  # noqa: S301 - from our own parent, over its own pipe
    with suppress(EOFError, BrokenPipeError):
        while True:
            interval: Interval = pipe.recv()
            pipe.send(judge(known, interval))


def die_with(parent: int) -> None:
    """Have the kernel end this process when its parent is gone, however that came about."""
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != parent:
        os._exit(1)
