"""Who wrote a file: fanotify on the folders that runs are interested in (`fanotify(7)`; root)."""

from __future__ import annotations

import contextlib
import ctypes
import os
import struct
from dataclasses import dataclass

_CLOEXEC, _NONBLOCK = 1, 2
_ADD, _MOUNT = 1, 0x10
_MODIFY, _CLOSE_WRITE, _ON_CHILD = 0x2, 0x8, 0x08000000
_EVENT = struct.Struct("=IBBHQii")
_PACKET_BYTES = 1 << 16
_AT_FDCWD = -100


@dataclass(frozen=True, slots=True)
class Written:
    """A file that was open for writing was closed."""

    path: str
    pid: int


class Writers:
    """Hears of writers in folders.

    Raises:
        OSError: not root, or this kernel has no fanotify.
    """

    def __init__(self) -> None:
        self._libc = ctypes.CDLL(None, use_errno=True)
        self.descriptor = int(self._libc.fanotify_init(_CLOEXEC | _NONBLOCK, os.O_RDONLY | os.O_CLOEXEC))
        if self.descriptor < 0:
            number = ctypes.get_errno()
            raise OSError(number, os.strerror(number))

    def watch(self, folder: str) -> None:
        """Hear of what is written right in a folder; below it, folders are watched one by one.

        Raises:
            OSError: there is no such folder, or its file system cannot be watched.
        """
        events = ctypes.c_uint64(_CLOSE_WRITE | _ON_CHILD)
        done = self._libc.fanotify_mark(self.descriptor, _ADD, events, _AT_FDCWD, os.fsencode(folder))
        if done:
            number = ctypes.get_errno()
            raise OSError(number, os.strerror(number), folder)

    def watch_memory_files(self) -> None:
        """Hear of writes through ``/proc/PID/mem``, of all processes.

        Raises:
            OSError: this kernel does not tell.
        """
        events = ctypes.c_uint64(_CLOSE_WRITE)
        done = self._libc.fanotify_mark(self.descriptor, _ADD | _MOUNT, events, _AT_FDCWD, b"/proc")
        if done:
            number = ctypes.get_errno()
            raise OSError(number, os.strerror(number), "/proc")

    def read(self) -> list[Written]:
        """Return what was written since the last time."""
        found: list[Written] = []
        while True:
            try:
                data = os.read(self.descriptor, _PACKET_BYTES)
            except (BlockingIOError, InterruptedError):
                return found
            except OSError:
                return found
            place = 0
            while place + _EVENT.size <= len(data):
                length, _, _, _, _, descriptor, pid = _EVENT.unpack_from(data, place)
                place += max(length, _EVENT.size)
                if descriptor < 0:
                    continue
                with contextlib.suppress(OSError):
                    found.append(Written(os.readlink(f"/proc/self/fd/{descriptor}"), pid))  # noqa: PTH115
                os.close(descriptor)

    def close(self) -> None:
        """Stop hearing."""
        os.close(self.descriptor)
