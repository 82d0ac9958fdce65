"""What was read of data that is being locked, so that a lock that was killed goes on where it was.

One line of JSON for each piece of a file: its path, its state when it was read, the first chunk and the
digests. A line that is cut short is left out; a line for a file that was touched since is of no use.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import time
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Self

from veristep.core.datasets import path_from_json, path_json
from veristep.errors import MalformedError, StorageError, UnavailableError
from veristep.supervise.data.source import State

FOLDER = "data"
FLUSH_SECONDS = 1.0

Known = dict[str, dict[int, tuple[State, bytes]]]
"""Per path and first chunk: the state at reading, and the digests."""


class Journal:
    """The journal of one root in a ledger's folder; one lock at a time holds it."""

    def __init__(self, ledger: Path, root: str, chunk_bytes: int) -> None:
        name = hashlib.sha256(f"{chunk_bytes}\n{root}".encode("utf-8", "surrogateescape")).hexdigest()
        self._path = ledger / FOLDER / f"{name[:32]}.journal"
        self._root = root
        self._lines: list[bytes] = []
        self._flushed = time.monotonic()
        try:
            self._path.parent.mkdir(mode=0o700, exist_ok=True)
            self._file = self._path.open("a+b", buffering=0)
        except OSError as error:
            raise StorageError(f"cannot write {self._path}: {error.strerror}") from error
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            self._file.close()
            raise UnavailableError(
                f"{root} is being locked by another process", hint="wait until it has ended"
            ) from error

    def known(self) -> Known:
        """Return what an earlier lock had read."""
        found: Known = {}
        self._file.seek(0)
        data = self._file.read()
        for line in data.split(b"\n"):
            with suppress(ValueError, TypeError, KeyError, IndexError, MalformedError):
                path, state, start, chunks = json.loads(line)
                place = found.setdefault(path_from_json(path), {})
                place[int(start)] = (tuple(state), bytes.fromhex(chunks))
        # The line that was cut short by a kill must not swallow the next one.
        if data and not data.endswith(b"\n"):
            self._lines.append(b"")
        return found

    def add(self, path: str, state: State, start: int, chunks: bytes) -> None:
        """Note what was read; on the disk about a second later."""
        text = json.dumps([path_json(path), list(state), start, chunks.hex()])
        self._lines.append(text.encode("ascii"))
        if time.monotonic() - self._flushed > FLUSH_SECONDS:
            self.flush()

    def flush(self) -> None:
        """Write down what was noted.

        Raises:
            StorageError: the disk does not take it.
        """
        self._flushed = time.monotonic()
        data, self._lines = b"".join(line + b"\n" for line in self._lines), []
        try:
            while data:
                data = data[os.write(self._file.fileno(), data) :]
        except OSError as error:
            raise StorageError(f"cannot write {self._path}: {error.strerror}") from error

    def remove(self) -> None:
        """Forget everything: what was read stands in the ledger."""
        self._lines = []
        with suppress(OSError):
            self._path.unlink()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._lines:
            with suppress(StorageError):
                self.flush()
        self._file.close()
