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
    """A file or folder as a process found it when it opened it.

    Attributes:
        sample: the sample it was opened for, -1 where it was opened otherwise.
        dataset: the data set the sample belongs to (`record.reads.key_of`).
    """

    kind: str
    path: str
    size: int
    mtime_ns: int
    sample: int = -1
    dataset: str = ""


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
                kind, path, size, mtime_ns, *fetched = json.loads(text)
                sample, dataset = fetched or (-1, "")
                if kind in self._kinds:
                    place = str(printable(path))
                    found.append(Note(kind, place, int(size), int(mtime_ns), int(sample), str(dataset)))
        return found
