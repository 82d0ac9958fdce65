"""A fork meets no thread of ours inside a native library, and never waits for long."""

from __future__ import annotations

import os
import threading
import time

from veristep.record.forks import FORKS, LONGEST_WAIT_SECONDS


def _fork() -> tuple[float, int]:
    """Fork a child that uses the lock; return how long the fork took, and how the child ended."""
    began = time.monotonic()
    pid = os.fork()
    if not pid:
        with FORKS.held_off():
            os._exit(7)
    took = time.monotonic() - began
    return took, os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


class _Holder(threading.Thread):
    """Holds forks off until it is let go."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self.holds, self.end = threading.Event(), threading.Event()

    def run(self) -> None:
        with FORKS.held_off():
            self.holds.set()
            self.end.wait(10)


def test_a_child_can_use_what_a_thread_of_its_parent_held() -> None:
    holder = _Holder()
    holder.start()
    assert holder.holds.wait(5)
    took, status = _fork()
    holder.end.set()
    holder.join(5)
    assert status == 7
    assert LONGEST_WAIT_SECONDS * 0.9 <= took < LONGEST_WAIT_SECONDS + 5


def test_a_fork_waits_for_what_is_underway() -> None:
    holder = _Holder()
    holder.start()
    assert holder.holds.wait(5)
    threading.Timer(0.1, holder.end.set).start()
    took, status = _fork()
    assert status == 7
    assert took >= 0.05
    holder.join(5)


def test_forks_of_several_threads_at_once_leave_nothing_held() -> None:
    statuses: list[int] = []
    threads = [
        threading.Thread(target=lambda: statuses.extend(_fork()[1] for _ in range(5))) for _ in range(4)
    ]
    for each in threads:
        each.start()
    for each in threads:
        each.join(30)
    assert statuses == [7] * 20
    holder = _Holder()
    holder.start()
    assert holder.holds.wait(5)
    holder.end.set()
    holder.join(5)


def test_a_fork_from_within_goes_on() -> None:
    with FORKS.held_off():
        assert _fork()[1] == 7
