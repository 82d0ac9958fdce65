"""Notes which files a run reads, for the manifest of its data.

A process notes each path once, when it first opens it: one short line appended to a file beside the boot
file, shared by all processes of the run, worker processes included. The supervisor reads the notes and
digests the files; nothing is read here. Opens that do not go through Python (Arrow, HDF5, LMDB, a
memory-mapped weights file opened by native code) raise no audit event and are not seen.
"""

from __future__ import annotations

import json
import os
import stat
import sys
from pathlib import Path
from types import FrameType
from typing import Any

NOTES = "reads"
READ, FOLDER, MADE = "read", "folder", "made"
# Per process; a data set of more single files is noted by its folders.
MAX_NOTES = 20_000
_SYSTEM = ("/dev/", "/proc/", "/sys/", "/run/", "/usr/", "/etc/", "/lib", "/bin/", "/sbin/", "/var/")
_IMPORTED = (".py", ".pyc", ".so", ".pth", ".pyi")
# Where torch's loaders call a data set, and how far up the stack that is looked for.
_FETCHER = "/torch/utils/data/_utils/fetch.py"
_DEEPEST = 64
_PARTS = ("/__pycache__/", "/torchinductor_", "/.triton/", "/site-packages/", "/dist-packages/")


class ReadNotes:
    """The notes of this process; a forked child goes on writing to the same file."""

    def __init__(self, place: Path, ignored: tuple[str, ...]) -> None:
        self._place = place
        prefixes = (sys.base_prefix, sys.prefix, *(ignored))
        self._ignored = (
            *_SYSTEM,
            *(f"{each.rstrip('/')}/" for each in prefixes if each not in ("", "/usr")),
        )
        self._seen: set[object] = set()
        self._count = 0
        self._descriptor = -1

    def seen(self, value: object) -> bool:
        """Whether a path, as the script wrote it, was dealt with; all that a repeated open costs."""
        if value in self._seen:
            return True
        if len(self._seen) > 4 * MAX_NOTES:
            return True
        self._seen.add(value)
        return False

    def note(self, kind: str, path: str) -> None:
        """Note a path that was opened for reading, listed, or made as a folder."""
        if not path or f"{path}/".startswith(self._ignored) or path.endswith(_IMPORTED):
            return
        if kind == FOLDER and path in sys.path:  # the import system looks there
            return
        if any(part in path for part in _PARTS) or self._count >= MAX_NOTES:
            return
        size, mtime = 0, 0
        if kind == MADE:
            if os.path.lexists(path):
                return
        else:
            status = os.stat(path)  # noqa: PTH116 - a missing file is the caller's to ignore
            if stat.S_ISREG(status.st_mode) == (kind == FOLDER):
                return
            size, mtime = status.st_size, status.st_mtime_ns
        self._count += 1
        fetched = _fetched_for() if kind == READ else ()
        self._write(json.dumps([kind, path, size, mtime, *fetched]).encode() + b"\n")

    def _write(self, line: bytes) -> None:
        if self._descriptor < 0:
            flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC
            self._descriptor = os.open(self._place, flags, 0o600)
        os.write(self._descriptor, line)


def key_of(dataset: Any) -> str:
    """Return what tells a run's data sets apart, in every process of the run: class and length."""
    try:
        length = len(dataset)
    except Exception:  # noqa: BLE001 - boundary: the script's own code; one that is iterated has none
        length = -1
    kind = type(dataset)
    # In a spawned worker the script goes by another name.
    module = "__main__" if kind.__module__ == "__mp_main__" else kind.__module__
    return f"{module}.{kind.__qualname__}:{length}"


def _fetched_for() -> tuple[()] | tuple[int, str]:
    """Return the sample a loader of torch is fetching on this thread, and the key of its data set.

    Looked for on the stack, where torch's fetcher is: fetching itself costs nothing more.
    """
    frame: FrameType | None = sys._getframe(2)
    sample: Any = None
    for _ in range(_DEEPEST):
        if frame is None:
            return ()
        code = frame.f_code
        if code.co_filename.endswith(_FETCHER):
            # The comprehension over the batch is a function of its own before Python 3.12.
            values = frame.f_locals
            sample = values.get("idx", sample)
            if code.co_name == "fetch":
                if sample is None:
                    sample = values.get("possibly_batched_index")
                return (sample, key_of(values["self"].dataset)) if type(sample) is int else ()
        frame = frame.f_back
    return ()
