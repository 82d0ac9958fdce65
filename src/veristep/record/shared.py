"""Small facts shared between the processes of a run, through files in its boot directory.

Every process of a run maps them, so reading and writing costs less than a microsecond and never blocks.
"""

from __future__ import annotations

import errno
import mmap
import os
import time
from pathlib import Path

_PAIR_BYTES = 16
_PAGE_BYTES = 4096
SCHEDULE_NAME = "schedule"
BEAT_PREFIX = "beat-"
STREAM_PREFIX = "stream-"


class Pair:
    """Two 64-bit numbers in a mapped file.

    Attributes:
        numbers: both, as they stand.
    """

    def __init__(self, path: Path) -> None:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            if os.fstat(descriptor).st_size < _PAGE_BYTES:
                # Written, not just made longer: storing into a mapped page that the file system
                # finds no room for later would kill the process with SIGBUS.
                _fill(descriptor)
            self._map = mmap.mmap(descriptor, _PAIR_BYTES)
            self.numbers = memoryview(self._map).cast("Q")
        finally:
            os.close(descriptor)

    def get(self) -> tuple[int, int]:
        """Return both numbers."""
        return self.numbers[0], self.numbers[1]

    def set(self, first: int, second: int) -> None:
        """Store both numbers."""
        self.numbers[0] = first
        self.numbers[1] = second

    def close(self) -> None:
        """Unmap the file."""
        self.numbers.release()
        self._map.close()


def _fill(descriptor: int) -> None:
    if os.pwrite(descriptor, bytes(_PAGE_BYTES - _PAIR_BYTES), _PAIR_BYTES) != _PAGE_BYTES - _PAIR_BYTES:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


class Heartbeat:
    """Steps completed by a stream, and when: survives the process, however it ends.

    Attributes:
        numbers: both, as they stand; the time is `time.monotonic_ns`.
    """

    def __init__(self, boot: Path, stream: str) -> None:
        self._pair = Pair(boot / f"{BEAT_PREFIX}{stream}")
        self.numbers = self._pair.numbers

    def beat(self, steps: int) -> None:
        """Note that `steps` steps are complete."""
        self._pair.set(steps, time.monotonic_ns())


def heartbeats(boot: Path) -> dict[str, tuple[int, int]]:
    """Return, per stream, the steps completed and the monotonic time of the last one."""
    beats = {}
    for path in boot.glob(f"{BEAT_PREFIX}*"):
        pair = Pair(path)
        beats[path.name.removeprefix(BEAT_PREFIX)] = pair.get()
        pair.close()
    return beats


def claim_stream(boot: Path, rank: int) -> str:
    """Return the name of a stream no other process of the run has: the rank, or rank and restart."""
    for restart in range(10_000):
        name = f"{rank}.{restart}" if restart else str(rank)
        try:
            descriptor = os.open(
                boot / f"{STREAM_PREFIX}{name}", os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600
            )
        except FileExistsError:
            continue
        os.close(descriptor)
        return name
    raise OSError(f"rank {rank} started 10000 times in one run")
