"""What the ledger knows of files that runs wrote: by path, by content, and what became of them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from veristep.ledger.entries import Entry
from veristep.ledger.log import Ledger

WRITTEN, REMOVED = "artifact.written", "artifact.removed"


@dataclass(frozen=True, slots=True)
class Written:
    """A file a run wrote, as it was read afterwards.

    Attributes:
        index: of the entry; -1 for one that is not in the ledger yet.
        time_ns: when it was logged.
        run, stream, step: which process of which run wrote it, after how many steps.
        path, size, sha256: where, and what.
    """

    index: int
    time_ns: int
    run: str
    stream: str
    step: int
    path: str
    size: int
    sha256: str

    @property
    def rank(self) -> int | None:
        """The rank of the process; None when its name is none."""
        rank = self.stream.partition(".")[0]
        return int(rank) if rank.isascii() and rank.isdigit() else None

    @property
    def words(self) -> str:
        """Where it is from, in words."""
        return f"run {self.run}, step {self.step}"


@dataclass(frozen=True, slots=True)
class Removed:
    """A file, or folder, that a run deleted or gave another name."""

    run: str
    path: str
    step: int
    folder: bool
    to: str


@dataclass(slots=True)
class Known:
    """All of it, in the order of the ledger.

    Attributes:
        by_path: what was written to each path, the last of it last.
        by_content: by SHA-256, what has this content.
        removed: the last removal of each path, with how many writings of it came before.
    """

    by_path: dict[str, list[Written]] = field(default_factory=dict)
    by_content: dict[str, list[Written]] = field(default_factory=dict)
    removed: dict[str, tuple[Removed, int]] = field(default_factory=dict)
    _folders: list[tuple[str, Removed, int]] = field(default_factory=list)
    _count: int = 0

    def add(self, written: Written) -> None:
        """Take in a writing."""
        self._count += 1
        self.by_path.setdefault(written.path, []).append(written)
        self.by_content.setdefault(written.sha256, []).append(written)
        self.removed.pop(written.path, None)

    def remove(self, removed: Removed) -> None:
        """Take in a removal."""
        if removed.folder:
            self._folders.append((removed.path.rstrip("/") + "/", removed, self._count))
        else:
            self.removed[removed.path] = (removed, self._count)

    def last(self, *paths: str) -> Written | None:
        """Return the last writing to a path, under any of its names."""
        found = [self.by_path[path][-1] for path in paths if path in self.by_path]
        return max(found, key=lambda each: (each.index < 0, each.index)) if found else None

    def removal(self, written: Written) -> Removed | None:
        """Return how a run removed a file after it was written; None when no run did."""
        if written.path in self.removed:
            return self.removed[written.path][0]
        for prefix, removed, _count in reversed(self._folders):
            if written.path.startswith(prefix) and self._is_before(written, removed):
                return removed
        return None

    def below(self, folder: str) -> list[Written]:
        """Return the last writing of each path below a folder, by path."""
        prefix = folder.rstrip("/") + "/"
        return [each[-1] for path, each in sorted(self.by_path.items()) if path.startswith(prefix)]

    @staticmethod
    def _is_before(written: Written, removed: Removed) -> bool:
        # A run that removes a folder removes what stood in it; what the same run writes there later is new.
        return written.run != removed.run or written.step <= removed.step


def written_of(entry: Entry) -> Written:
    """Return what an ``artifact.written`` entry says."""
    return of_line(entry.body, index=entry.index, time_ns=entry.time_ns, run=entry.run)


def of_line(line: Any, *, index: int, time_ns: int, run: str) -> Written:
    """Return what an ``artifact`` line of a run's log says."""
    path = line.get("path")
    return Written(
        index=index,
        time_ns=time_ns,
        run=run,
        stream=str(line.get("stream")),
        step=_whole(line.get("step")),
        path=path if isinstance(path, str) else "",
        size=_whole(line.get("size")),
        sha256=str(line.get("sha256")),
    )


def removed_of(line: Any, run: str) -> Removed:
    """Return what an ``artifact.removed`` entry, or a ``removed`` line, says."""
    path, to = line.get("path"), line.get("to")
    return Removed(
        run=run,
        path=path if isinstance(path, str) else "",
        step=_whole(line.get("step")),
        folder=bool(line.get("folder")),
        to=to if isinstance(to, str) else "",
    )


def read(ledger: Ledger) -> Known:
    """Return what the ledger knows.

    Raises:
        TamperedError, MalformedError: an entry is not what was logged.
    """
    known = Known()
    for entry in _in_order(ledger):
        if entry.kind == WRITTEN:
            known.add(written_of(entry))
        else:
            known.remove(removed_of(entry.body, entry.run))
    return known


def _in_order(ledger: Ledger) -> Iterator[Entry]:
    found = [*ledger.entries(kind=WRITTEN), *ledger.entries(kind=REMOVED)]
    yield from sorted(found, key=lambda entry: entry.index)


def _whole(value: object) -> int:
    return value if isinstance(value, int) and not isinstance(value, bool) else 0
