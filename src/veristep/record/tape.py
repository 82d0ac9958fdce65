"""The tape: what a replay is conditioned on, one chunk per step, one file per interval.

A chunk is a pack (`record.pack`). Each step record names its chunk's file, place, length and digest, so
a chunk stands or falls with the sealed record. Files are named ``<stream>/<first step>.tape``.
"""

from __future__ import annotations

import os
from pathlib import Path

from veristep.errors import MalformedError, TamperedError, UnavailableError
from veristep.record import pack

# Linux takes at most 1024 buffers in one call (IOV_MAX).
_MAX_PIECES = 1024
# Holds the header of nearly every chunk.
_HEAD_BYTES = 16 << 10
Place = tuple[str, int, int, str]


class TapeWriter:
    """Appends chunks to the tape of one stream."""

    def __init__(self, directory: Path, stream: str) -> None:
        self._directory = directory / stream
        self._stream = stream
        self._descriptor: int | None = None
        self._name = ""
        self._offset = 0

    def start(self, step: int) -> None:
        """Begin the file of the interval that starts at `step`."""
        self.close()
        self._name = f"{self._stream}/{step:010d}.tape"
        self._offset = 0

    def append(self, chunk: list[bytes | memoryview], digest: str) -> Place | None:
        """Write a chunk with this digest and return its place; None when the disk refused it."""
        if not self._name:
            self.start(0)
        length = sum(len(piece) for piece in chunk)
        try:
            if self._descriptor is None:
                self._directory.mkdir(parents=True, exist_ok=True, mode=0o700)
                path = self._directory.parent / self._name
                flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC
                self._descriptor = os.open(path, flags, 0o600)
            _write_all(self._descriptor, chunk, self._offset, length)
        except OSError:
            return None
        place = (self._name, self._offset, length, digest)
        self._offset += length
        return place

    def close(self) -> None:
        """Close the current file."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None


def read_chunk(directory: Path, place: Place) -> bytes:
    """Return a chunk after checking it against its record.

    Raises:
        UnavailableError: the tape file is gone or cut short.
        TamperedError: the bytes are not the ones that were recorded.
    """
    name, offset, length, expected = place
    path = directory / name
    try:
        with path.open("rb") as file:
            file.seek(offset)
            chunk = file.read(length)
    except OSError as error:
        raise UnavailableError(f"tape {path} cannot be read: {error.strerror}") from error
    if len(chunk) != length:
        raise UnavailableError(f"tape {path} is cut short at byte {offset + len(chunk)}")
    try:
        got = pack.digest(chunk)
    except MalformedError as error:
        got = f"no pack ({error})"
    if got != expected:
        raise TamperedError(
            f"tape {path} was changed at bytes {offset} to {offset + length}: "
            f"expected {expected}, got {got}"
        )
    return chunk


def read_field(directory: Path, place: Place, field: str) -> bytes | None:
    """Return the bytes in one field of a chunk without reading the rest, and unchecked.

    For looking on while a run goes on; what is concluded from a record rests on `read_chunk`.
    None when it is not there, or not to be read.
    """
    name, offset, length, _digest = place
    try:
        with (directory / name).open("rb", buffering=_HEAD_BYTES) as file:
            file.seek(offset)
            found = pack.find(file.read, length, field)
            if found is None:
                return None
            start, size = found
            file.seek(offset + start)
            return file.read(size)
    except (OSError, MalformedError):
        return None


def _write_all(descriptor: int, chunk: list[bytes | memoryview], offset: int, length: int) -> None:
    # Most chunks go out in one call, without being copied together first.
    if len(chunk) <= _MAX_PIECES and os.pwritev(descriptor, chunk, offset) == length:
        return
    view = memoryview(b"".join(chunk))
    while view:
        written = os.pwrite(descriptor, view, offset)
        view, offset = view[written:], offset + written
