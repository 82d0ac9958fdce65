"""Whether a run's supervisor still lives, told by a lock that the kernel drops when it dies."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path

from veristep.core.canonical import Json, decode_object, encode
from veristep.errors import MalformedError

LOCK_NAME = "supervisor.lock"
_MAX_BYTES = 4096


class SupervisorLock:
    """The lock on a run's folder; what is written in it says who holds it, and where its boot folder is."""

    def __init__(self) -> None:
        self._descriptor: int | None = None

    def take(self, directory: Path, boot: str) -> None:
        """Hold the lock of a new run; a file system without locks is no reason not to record.

        Raises:
            OSError: the file cannot be written.
        """
        flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC
        self._descriptor = os.open(directory / LOCK_NAME, flags, 0o600)
        _try_lock(self._descriptor)
        value: Json = {"pid": os.getpid(), "boot": boot}
        os.pwrite(self._descriptor, encode(value) + b"\n", 0)

    def take_over(self, directory: Path) -> bool:
        """Hold the lock of a run whose holder is gone; answer whether that is so."""
        try:
            self._descriptor = os.open(directory / LOCK_NAME, os.O_RDWR | os.O_CLOEXEC)
        except OSError:
            return False
        if _try_lock(self._descriptor):
            return True
        self.release()
        return False

    def boot_folder(self) -> Path | None:
        """Return the boot folder that the holder named."""
        if self._descriptor is None:
            return None
        try:
            name = decode_object(os.pread(self._descriptor, _MAX_BYTES, 0)).get("boot")
        except (OSError, MalformedError):
            return None
        return Path(name) if isinstance(name, str) and name else None

    def release(self) -> None:
        """Let the lock go."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None


def _try_lock(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True
