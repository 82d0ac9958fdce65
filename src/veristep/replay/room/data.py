"""The data a run read, compared with its manifest before a replay reads it again."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from veristep.record.files import read_digests
from veristep.replay.room.view import DataFile

MAX_NAMED = 3


@dataclass(frozen=True, slots=True)
class DataState:
    """How the data is now.

    Attributes:
        same: files whose content is what the run read.
        unchecked: files that the manifest has no digest of, with the reason.
        changed: files whose content is another.
        gone: files that are not there or cannot be read.
    """

    same: tuple[str, ...] = ()
    unchecked: tuple[tuple[str, str], ...] = ()
    changed: tuple[str, ...] = ()
    gone: tuple[str, ...] = ()

    @property
    def reason(self) -> str:
        """Why nothing can be replayed from it; empty when it can."""
        found = []
        if self.changed:
            found.append(f"data {_named(self.changed)} changed since the run")
        if self.gone:
            found.append(f"data {_named(self.gone)} is gone or cannot be read")
        return "; ".join(found) + ": put it back as it was, and audit again" if found else ""

    @property
    def summary(self) -> str:
        """The state in words, for the room's description."""
        if not (self.same or self.unchecked or self.changed or self.gone):
            return "none in the manifest, beside what was kept with the code"
        words = [f"{len(self.same)} files as in the manifest"]
        if self.unchecked:
            why = {reason for _, reason in self.unchecked}
            words.append(f"{len(self.unchecked)} not compared ({'; '.join(sorted(why))})")
        if self.changed:
            words.append(f"{len(self.changed)} changed")
        if self.gone:
            words.append(f"{len(self.gone)} gone")
        return ", ".join(words)


def compare(data: Iterable[DataFile], kept: frozenset[str]) -> DataState:
    """Read every file of a manifest again.

    Args:
        data: the manifest.
        kept: paths whose content at the run's start the ledger holds; these are not read from here.
    """
    same: list[str] = []
    changed: list[str] = []
    gone: list[str] = []
    unchecked: list[tuple[str, str]] = []
    for each in data:
        if each.folder or each.path in kept:
            continue
        if not each.blake3:
            unchecked.append((each.path, each.note or "no digest"))
            continue
        # Its size tells without reading all of it.
        if not os.path.exists(each.path):  # noqa: PTH110
            gone.append(each.path)
        elif _size(each.path) != each.size:
            changed.append(each.path)
        else:
            now = read_digests(Path(each.path))
            if now is None:
                gone.append(each.path)
            else:
                (same if now.blake3 == each.blake3 else changed).append(each.path)
    return DataState(tuple(same), tuple(unchecked), tuple(changed), tuple(gone))


def _size(path: str) -> int:
    try:
        return os.stat(path).st_size  # noqa: PTH116
    except OSError:
        return -1


def _named(paths: tuple[str, ...]) -> str:
    more = f" and {len(paths) - MAX_NAMED} more" if len(paths) > MAX_NAMED else ""
    return ", ".join(paths[:MAX_NAMED]) + more
