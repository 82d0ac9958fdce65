"""Keeps a replay's script inside its room, from inside the process.

A script's start has side effects: it writes checkpoints, clears folders, opens trackers. A write, rename
or delete outside the room is refused before it happens, by the interpreter's audit events here, which know
the path and the reason, and by the kernel (`replay.sandbox`) for what does not go through Python.
"""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Callable, Sequence
from typing import Any

from veristep.record.files import RefusedWrite, opens_for_writing, path_of
from veristep.record.reads import READ, ReadNotes

# Audit events that change the file system, with the places of the paths they change.
_CHANGES = {
    "os.rename": (0, 1),
    "os.remove": (0,),
    "os.rmdir": (0,),
    "os.mkdir": (0,),
    "os.link": (1,),
    "os.symlink": (1,),
    "os.truncate": (0,),
    "os.chmod": (0,),
    "os.chown": (0,),
    "os.utime": (0,),
    "os.setxattr": (0,),
    "os.removexattr": (0,),
    "shutil.rmtree": (0,),
    "shutil.move": (0, 1),
    "shutil.copyfile": (1,),
    "shutil.make_archive": (0,),
    "tempfile.mkstemp": (0,),
    "tempfile.mkdtemp": (0,),
}
_ALWAYS = ("/dev/", "/proc/self/", "/proc/thread-self/")


class Containment:
    """Decides which paths a replay may change."""

    def __init__(
        self, writable: Sequence[str], read_only: Sequence[str], refused: Callable[[str], None]
    ) -> None:
        self._writable = _prefixes(writable)
        self._read_only = _prefixes(read_only)
        self._refused = refused

    def check(self, path: str) -> None:
        """Refuse a change of `path` unless it lies in the room, wherever links lead.

        Raises:
            RefusedWrite: it lies elsewhere.
        """
        if not path:
            return
        real = os.path.realpath(path)
        inner = real.rstrip(os.sep) + os.sep
        # The innermost folder that says something decides.
        if _longest(inner, self._writable) > _longest(inner, self._read_only) or real.startswith(_ALWAYS):
            return
        # The interpreter tries to keep byte code and goes on without; that is nothing the script did.
        if not (sys.pycache_prefix and real.startswith(os.path.realpath(sys.pycache_prefix))):
            self._refused(path)
        raise RefusedWrite(f"a replay may not write {path}")

    def hook(self, event: str, args: tuple[Any, ...]) -> None:
        """Check one audit event.

        Raises:
            RefusedWrite: the event changes a file outside the room.
        """
        if event == "open":
            if opens_for_writing(args[1], args[2]):
                self.check(path_of(args[0]))
            return
        for place in _CHANGES.get(event, ()):
            value = args[place] if place < len(args) else None
            if isinstance(value, (str, bytes, os.PathLike)):
                # A name is changed in its folder; what a link of that name leads to is not touched.
                self.check(os.path.dirname(path_of(value)) or "/")  # noqa: PTH120


def _prefixes(folders: Sequence[str]) -> tuple[str, ...]:
    return tuple(os.path.realpath(folder).rstrip(os.sep) + os.sep for folder in folders)


def _longest(path: str, prefixes: tuple[str, ...]) -> int:
    return max((len(prefix) for prefix in prefixes if path.startswith(prefix)), default=0)


def note_reads(notes: ReadNotes) -> Callable[[str, tuple[Any, ...]], None]:
    """Return a hook for audit events that notes which files the script opens for reading."""

    def hook(event: str, args: tuple[Any, ...]) -> None:
        if event == "open" and not opens_for_writing(args[1], args[2]) and not notes.seen(args[0]):
            # Boundary: an error here would fail the script's own call.
            with contextlib.suppress(Exception):
                notes.note(READ, path_of(args[0]))

    return hook


class ContainedFiles:
    """Stands where the recorder's file watch stands, and refuses instead of noting."""

    def __init__(self, containment: Containment) -> None:
        self._containment = containment

    def will_write(self, path: str) -> None:
        """Check a file about to be written outside Python."""
        self._containment.check(path)

    def wrote(self, path: str) -> None:
        """Take note of nothing: a replay has no artifacts."""

    def early_lines(self) -> list[Any]:
        """Return no lines: a replay has no run log."""
        return []
