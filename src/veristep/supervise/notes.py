"""The notes of a run's processes: which files they opened, listed or made (`record/reads.py`)."""

from __future__ import annotations

import contextlib
import json
from dataclasses import dataclass
from pathlib import Path

from veristep.record.reads import NOTES
from veristep.supervise.describe import printable

_READ_BYTES = 1 << 22


@dataclass(frozen=True, slots=True)
class Note:
    """A file or folder as a process found it when it opened it."""

    kind: str
    path: str
    size: int
    mtime_ns: int


class Notes:
    """Reads the notes beside a boot file, each once."""

    def __init__(self, boot: Path, kinds: tuple[str, ...]) -> None:
        """Read notes of some kinds."""
        self._place = boot / NOTES
        self._kinds = kinds
        self._offset = 0

    def new(self) -> list[Note]:
        """Return the notes written since the last time; lines that are none are left out."""
        try:
            with self._place.open("rb") as file:
                file.seek(self._offset)
                data = file.read(_READ_BYTES)
        except OSError:
            return []
        data = data[: data.rfind(b"\n") + 1]
        self._offset += len(data)
        found = []
        for text in data.splitlines():
            with contextlib.suppress(ValueError, TypeError):
                kind, path, size, mtime_ns = json.loads(text)
                if kind in self._kinds:
                    found.append(Note(kind, str(printable(path)), int(size), int(mtime_ns)))
        return found
