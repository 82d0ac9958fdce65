"""Bytes that are scanned: a stretch of a file, or what was unpacked from one.

Only what is asked for is read. Large objects inside a pickle are not: `Stretch.stream` leaves their
bytes out and remembers where they lie, so that they can be looked at when something would be made of them.
"""

from __future__ import annotations

import io
import os
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

# An object's bytes from here on are not read while a pickle runs.
LARGE = 1 << 20
_READ_AHEAD = 1 << 16


class ShortError(Exception):
    """The bytes end before what they promise."""


class Source:
    """Bytes with random access."""

    size: int = 0

    def read(self, offset: int, length: int) -> bytes:
        """Return a stretch; shorter where the bytes end, nothing where it begins before they do.

        Raises:
            OSError: they cannot be read.
        """
        raise NotImplementedError

    def exactly(self, offset: int, length: int) -> bytes:
        """Return a stretch.

        Raises:
            ShortError: the bytes end before it does.
            OSError: they cannot be read.
        """
        found = self.read(offset, length) if length >= 0 else b""
        if length < 0 or len(found) != length:
            raise ShortError(f"{length} bytes promised at byte {offset}, {len(found)} there")
        return found

    def part(self, offset: int, length: int) -> Source:
        """Return a stretch as a source of its own; it ends where this one does."""
        offset = min(max(offset, 0), self.size)
        return Part(self, offset, min(max(length, 0), self.size - offset))


class Memory(Source):
    """Bytes in memory."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self.size = len(data)

    def read(self, offset: int, length: int) -> bytes:
        """Return a stretch."""
        return self._data[offset : offset + length] if offset >= 0 and length > 0 else b""


class Descriptor(Source):
    """An open file; counts what is read of it."""

    def __init__(self, descriptor: int, size: int) -> None:
        self._descriptor = descriptor
        self.size = size
        self.bytes_read = 0

    def read(self, offset: int, length: int) -> bytes:
        """Return a stretch, and count it."""
        parts, left = [], max(0, min(length, self.size - offset)) if offset >= 0 else 0
        while left:
            got = os.pread(self._descriptor, left, offset)
            if not got:
                break
            parts.append(got)
            offset += len(got)
            left -= len(got)
        found = parts[0] if len(parts) == 1 else b"".join(parts)
        self.bytes_read += len(found)
        return found


class Part(Source):
    """A stretch of another source."""

    _whole: Source
    _start: int

    def __init__(self, whole: Source, start: int, size: int) -> None:
        # A chain of parts would make each read a walk.
        self._whole, self._start = (
            (whole._whole, whole._start + start) if isinstance(whole, Part) else (whole, start)
        )
        self.size = size

    def read(self, offset: int, length: int) -> bytes:
        """Return a stretch of the stretch."""
        if offset < 0 or offset >= self.size:
            return b""
        return self._whole.read(self._start + offset, min(length, self.size - offset))


@dataclass(slots=True)
class Left:
    """Bytes that were asked for and not read: they end before `end`, `length` of them."""

    end: int
    length: int


@dataclass(slots=True)
class Stream(io.RawIOBase):
    """A source read from front to back; large stretches asked for in one piece are left out."""

    source: Source
    position: int = 0
    left: list[Left] = field(default_factory=list)
    skipping: bool = True

    def readable(self) -> bool:
        """Return True."""
        return True

    def seekable(self) -> bool:
        """Return True."""
        return True

    def seek(self, offset: int, whence: int = os.SEEK_SET, /) -> int:
        """Move to a position."""
        base = {os.SEEK_SET: 0, os.SEEK_CUR: self.position, os.SEEK_END: self.source.size}[whence]
        self.position = max(0, base + offset)
        return self.position

    def tell(self) -> int:
        """Return the position."""
        return self.position

    def readinto(self, buffer: WriteableBuffer, /) -> int:
        """Fill a buffer, or leave it as it is when it is a large one."""
        view = memoryview(buffer).cast("B")
        wanted = min(len(view), max(0, self.source.size - self.position))
        if self.skipping and wanted >= LARGE:
            self.position += wanted
            self.left.append(Left(self.position, wanted))
            return wanted
        found = self.source.read(self.position, wanted)
        view[: len(found)] = found
        self.position += len(found)
        return len(found)


def buffered(source: Source, *, skipping: bool = True) -> tuple[io.BufferedReader, Stream]:
    """Return a source as a file for an unpickler, and the stream below it."""
    stream = Stream(source, skipping=skipping)
    return io.BufferedReader(stream, _READ_AHEAD), stream
