"""Keeps a replay's script inside its scratch folder, from inside the process.

A script's start has side effects: it writes checkpoints, clears folders, opens trackers. A write, rename
or delete outside the scratch is refused before it happens, by the interpreter's audit events here, and by
the kernel (`replay.landlock`) for what does not go through Python.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from typing import Any

from veristep.record.files import RefusedWrite, opens_for_writing, path_of

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

    def __init__(self, writable: Sequence[str], refused: Callable[[str], None]) -> None:
        self._writable = tuple(os.path.realpath(folder) + os.sep for folder in writable)
        self._refused = refused

    def check(self, path: str) -> None:
        """Refuse a change of `path` unless it lies in the scratch, wherever links lead.

        Raises:
            RefusedWrite: it lies elsewhere.
        """
        if not path:
            return
        real = os.path.realpath(path)
        if (real + os.sep).startswith(self._writable) or real.startswith(_ALWAYS):
            return
        self._refused(path)
        raise RefusedWrite(f"a replay may not write {path}")

    def hook(self, event: str, args: tuple[Any, ...]) -> None:
        """Check one audit event.

        Raises:
            RefusedWrite: the event changes a file outside the scratch.
        """
        if event == "open":
            writes, _truncates = opens_for_writing(args[1], args[2])
            if writes:
                self.check(path_of(args[0]))
            return
        for place in _CHANGES.get(event, ()):
            value = args[place] if place < len(args) else None
            if isinstance(value, (str, bytes, os.PathLike)):
                # A name is changed in its folder; what a link of that name leads to is not touched.
                self.check(os.path.dirname(path_of(value)) or "/")  # noqa: PTH120


class ContainedFiles:
    """Stands where the recorder's file watch stands, and refuses instead of noting."""

    def __init__(self, containment: Containment) -> None:
        self._containment = containment

    def will_write(self, path: str, *, truncates: bool) -> None:
        """Check a file about to be written outside Python."""
        del truncates
        self._containment.check(path)

    def wrote(self, path: str) -> None:
        """Take note of nothing: a replay has no artifacts."""

    def early_lines(self) -> list[Any]:
        """Return no lines: a replay has no run log."""
        return []
