"""The background thread of a training process: bounded, in order, never in the way."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable

Job = Callable[[], None]
# Waking a thread at every step costs more than the work, which is done cheaper for many steps in a row: the
# code is in a cache then. Records may be this old when they leave.
POLL_SECONDS = 0.25


class Worker:
    """Runs jobs one after another on a thread of its own.

    Attributes:
        refused: jobs left out because the queue was full.
        failed: jobs that raised, with the last reason.
    """

    def __init__(self, limit_bytes: int, on_idle: Job) -> None:
        self._limit = limit_bytes
        self._queue: deque[tuple[Job, int]] = deque()
        # Two counters, each written by one side only: `+=` on a shared one would lose updates.
        self._accepted = 0
        self._done = 0
        self._on_idle = on_idle
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None
        self.refused = 0
        self.failed = 0
        self.reason = ""
        self.cpu_seconds = 0.0

    def has_room(self, size: int) -> bool:
        """Whether a job that holds `size` bytes would be accepted."""
        return self._accepted - self._done + size <= self._limit

    def add(self, job: Job, size: int = 0, *, must: bool = False) -> bool:
        """Queue a job that holds `size` bytes; answer whether it was accepted.

        A job that `must` run is small and accepted whatever the queue holds.
        """
        if not must and not self.has_room(size):
            self.refused += 1
            return False
        self._accepted += size
        self._queue.append((job, size))
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="veristep", daemon=True)
            self._thread.start()
        return True

    def stop(self, seconds: float) -> bool:
        """Finish what is queued, for at most `seconds`; answer whether all of it was."""
        self._stopping.set()
        if self._thread is not None:
            self._thread.join(seconds)
            return not self._thread.is_alive()
        self._on_idle()
        return True

    def _run(self) -> None:
        while True:
            stopping = self._stopping.is_set()
            while self._queue:
                job, size = self._queue.popleft()
                self._guarded(job)
                self._done += size
                del job
            self._guarded(self._on_idle)
            self.cpu_seconds = time.thread_time()
            if stopping:
                return
            self._stopping.wait(POLL_SECONDS)

    def _guarded(self, job: Job) -> None:
        try:
            job()
        except Exception as error:  # noqa: BLE001 - boundary: nothing of ours may reach the training
            self.failed += 1
            self.reason = repr(error)
