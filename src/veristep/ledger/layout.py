"""The ledger's folder: names, modes, the format file, and turns to write.

::

    veristep-ledger.json   format, origin, time of creation
    ledger.vkey            the key that verifies the log
    ledger.db              entries, bodies, openings, checkpoints (SQLite); private
    keys/ledger.key        the key that signs the log; private
    checkpoint, tile/      the public log, as C2SP tlog-tiles
    objects/               the content-addressed store
    runs/<run>/            one folder per run
"""

from __future__ import annotations

import fcntl
import os
import random
import tempfile
import time
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from veristep.core import canonical
from veristep.errors import (
    MalformedError,
    NotFoundError,
    StorageError,
    UnavailableError,
    UnsupportedVersionError,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

FORMAT = "veristep-ledger/1"
FORMAT_FILE = "veristep-ledger.json"
VKEY_FILE = "ledger.vkey"
DB_FILE = "ledger.db"
KEY_FILE = "keys/ledger.key"
CHECKPOINT_FILE = "checkpoint"
TILE_FOLDER = "tile"
OBJECT_FOLDER = "objects"
RUN_FOLDER = "runs"

WAIT_SECONDS = 30.0

_MAX_FORMAT_BYTES = 4096
_POLL_SECONDS = 0.0005
_MAX_POLL_SECONDS = 0.01


@dataclass(frozen=True, slots=True)
class Format:
    """What the format file says."""

    origin: str
    created_ns: int

    def encode(self) -> bytes:
        """Return the bytes of the format file: one line of canonical JSON."""
        value: dict[str, canonical.Json] = {
            "format": FORMAT,
            "origin": self.origin,
            "created_ns": self.created_ns,
        }
        return canonical.encode(value) + b"\n"


def default_path() -> Path:
    """Return where the ledger lies: VERISTEP_LEDGER, else in the user's data folder."""
    if explicit := os.environ.get("VERISTEP_LEDGER"):
        return Path(explicit)
    data = os.environ.get("XDG_DATA_HOME")
    return (Path(data) if data else Path.home() / ".local" / "share") / "veristep" / "ledger"


def read_format(path: Path) -> Format:
    """Read the format file of the ledger at `path`.

    Raises:
        NotFoundError: there is no ledger.
        MalformedError: the file does not say what it has to.
        UnsupportedVersionError: a format this Veristep does not read.
    """
    file = path / FORMAT_FILE
    try:
        with file.open("rb") as stream:
            data = stream.read(_MAX_FORMAT_BYTES)
    except (FileNotFoundError, NotADirectoryError) as error:
        raise NotFoundError(
            f"there is no ledger at {path}",
            hint="create one with `veristep ledger init`, or set VERISTEP_LEDGER",
        ) from error
    except OSError as error:
        raise UnavailableError(f"cannot read {file}: {error.strerror}") from error
    return decode_format(data, str(file))


def decode_format(data: bytes, where: str) -> Format:
    """Parse the bytes of a format file.

    Raises:
        MalformedError, UnsupportedVersionError: as `read_format`.
    """
    try:
        value = canonical.decode_object(data)
    except MalformedError as error:
        raise MalformedError(f"{where} is damaged: {error}", hint=_FSCK_HINT) from error
    if value.get("format") != FORMAT:
        raise UnsupportedVersionError(
            f"{where} has the format {value.get('format')!r}; this Veristep reads {FORMAT!r}",
            hint="use the version of Veristep that wrote the ledger, or a later one",
        )
    origin, created_ns = value.get("origin"), value.get("created_ns")
    if not isinstance(origin, str) or not isinstance(created_ns, int):
        raise MalformedError(f"{where} is damaged: no origin or time", hint=_FSCK_HINT)
    result = Format(origin, created_ns)
    if result.encode() != data:
        raise MalformedError(f"{where} is damaged: not in its canonical form", hint=_FSCK_HINT)
    return result


def write_atomically(path: Path, data: bytes, *, sync: bool) -> None:
    """Put a file in place whole: readers see the old content or the new, never a part.

    Raises:
        OSError: the file system refuses it; the old file is as it was.
    """
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=TEMPORARY_PREFIX)
    temporary = Path(name)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            if sync:
                file.flush()
                os.fsync(file.fileno())
        temporary.replace(path)
    except BaseException:
        with suppress(OSError):
            temporary.unlink()
        raise


@contextmanager
def turn(path: Path, wait_seconds: float = WAIT_SECONDS) -> Iterator[None]:
    """Hold the ledger at `path` for writing.

    One process at a time waits at the door and the others in a queue behind it, so that a busy
    writer, who has to queue again, cannot starve the rest. The locks are `flock` on two files that
    are never replaced; the kernel drops them when their holder dies.

    Raises:
        UnavailableError: it was not our turn within `wait_seconds`.
        StorageError: the files cannot be opened.
    """
    deadline = time.monotonic() + wait_seconds
    with _lock_file(path / VKEY_FILE) as door:
        with _lock_file(path / FORMAT_FILE) as queue:
            _lock(queue, deadline, _MAX_POLL_SECONDS, path)
            _lock(door, deadline, _POLL_SECONDS, path)
        yield


@contextmanager
def locked_folder(path: Path) -> Iterator[None]:
    """Hold a folder while a ledger is created in it.

    Raises:
        UnavailableError: another process kept it for too long.
    """
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        _lock(descriptor, time.monotonic() + WAIT_SECONDS, _MAX_POLL_SECONDS, path)
        yield
    finally:
        os.close(descriptor)


@contextmanager
def _lock_file(path: Path) -> Iterator[int]:
    try:
        try:
            descriptor = os.open(path, os.O_RDWR)  # what NFS needs for an exclusive lock
        except OSError:
            descriptor = os.open(path, os.O_RDONLY)
    except OSError as error:
        raise StorageError(f"cannot lock {path}: {error.strerror}") from error
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def _lock(descriptor: int, deadline: float, longest_seconds: float, path: Path) -> None:
    pause = _POLL_SECONDS
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return
        except BlockingIOError:
            if time.monotonic() > deadline:
                raise UnavailableError(
                    f"the ledger {path} is busy: no turn within {WAIT_SECONDS:.0f} s",
                    hint="another process holds it; see who with: fuser " + str(path / VKEY_FILE),
                ) from None
        time.sleep(pause * random.uniform(0.5, 1.0))  # noqa: S311 - spreads polling, no secret
        pause = min(pause * 2, longest_seconds)


TEMPORARY_PREFIX = ".tmp-"
_FSCK_HINT = "run `veristep ledger fsck` to see what else is damaged; restore it from a copy"
