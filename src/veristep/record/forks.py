"""A fork waits, within a limit, for what a thread of ours has torch do at that moment.

Locks inside native libraries that another thread holds while a process forks are never released in the
child: its next use of the library waits forever, be it ours or the training's.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager

# What is done at a time takes milliseconds; a fork never waits longer than this.
LONGEST_WAIT_SECONDS = 0.5


class _Forks:
    """Keeps native calls of background threads and forks apart."""

    def __init__(self) -> None:
        self._lock = threading.RLock()
        # Per thread: several may fork at once, and each lets go of what it took itself.
        self._forking = threading.local()
        os.register_at_fork(before=self._before, after_in_parent=self._parent, after_in_child=self._child)

    @contextmanager
    def held_off(self) -> Iterator[None]:
        """Do something with no fork meanwhile."""
        with self._lock:
            yield

    def _before(self) -> None:
        self._forking.held = self._lock.acquire(timeout=LONGEST_WAIT_SECONDS)

    def _parent(self) -> None:
        if getattr(self._forking, "held", False):
            self._forking.held = False
            self._lock.release()

    def _child(self) -> None:
        # Whoever held it does not exist here.
        self._lock = threading.RLock()
        self._forking = threading.local()


FORKS = _Forks()
