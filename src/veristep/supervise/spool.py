"""Reads what training processes wrote to disk because the supervisor did not take it.

A stream's spool may repeat lines that came over the socket, and holds them in no particular order: they
are put in their place by their numbers.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from veristep.core.canonical import decode_object
from veristep.errors import MalformedError

SPOOL_FOLDER = "spool"
SUFFIX = ".jsonl"
_READ_BYTES = 1 << 24


@dataclass(slots=True)
class _File:
    offset: int = 0
    held: dict[int, bytes] = field(default_factory=dict)


class SpoolReader:
    """The lines in a run's spool folder, handed out in the order of their streams.

    Attributes:
        malformed: lines that are none.
    """

    def __init__(self, folder: Path, offsets: Mapping[str, int] | None = None) -> None:
        self._folder = folder
        self._files = {name: _File(offset) for name, offset in (offsets or {}).items()}
        self.malformed = 0

    @property
    def offsets(self) -> dict[str, int]:
        """How far each stream's file has been read and handed out."""
        return {name: file.offset for name, file in sorted(self._files.items()) if not file.held}

    def read(self) -> None:
        """Read what was added since; cheap while nobody spools."""
        try:
            names = os.listdir(self._folder)  # noqa: PTH208 - listing names is all that is needed
        except OSError:
            return
        for name in names:
            if name.endswith(SUFFIX):
                self._read(name.removesuffix(SUFFIX))

    def streams(self) -> list[str]:
        """Return the streams that have lines to hand out."""
        return sorted(name for name, file in self._files.items() if file.held)

    def take(self, stream: str, expected: int, *, skip: bool = False) -> bytes | None:
        """Hand out line number `expected` of a stream; with `skip`, the first one after it.

        Lines before it are dropped: they came already.
        """
        held = self._files[stream].held if stream in self._files else {}
        line = held.pop(expected, None)
        if line is not None or not held:
            return line
        for number in [number for number in held if number < expected]:
            del held[number]
        return held.pop(min(held)) if skip and held else None

    def drop(self, stream: str) -> int:
        """Drop what is left of a stream; return how many lines that were."""
        held = self._files[stream].held
        count = len(held)
        held.clear()
        return count

    def _read(self, stream: str) -> None:
        file = self._files.setdefault(stream, _File())
        while data := _whole_lines(self._folder / f"{stream}{SUFFIX}", file.offset):
            file.offset += len(data)
            for line in data.split(b"\n")[:-1]:
                self._hold(stream, file, line)

    def _hold(self, stream: str, file: _File, line: bytes) -> None:
        try:
            value = decode_object(line)
        except MalformedError:
            self.malformed += 1
            return
        number = value.get("seq")
        if isinstance(number, int) and value.get("stream") == stream:
            file.held.setdefault(number, line)
        else:
            self.malformed += 1


def _whole_lines(path: Path, offset: int) -> bytes:
    """Return the next complete lines of a regular file."""
    try:
        # Whoever may write to the folder could put a pipe or a link there.
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        try:
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                return b""
            data = os.pread(descriptor, _READ_BYTES, offset)
        finally:
            os.close(descriptor)
    except OSError:
        return b""
    return data[: data.rfind(b"\n") + 1]
