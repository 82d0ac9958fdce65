"""Checks data against its manifest: all of it, a sample of its chunks, or what was touched."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from veristep.core import sampling
from veristep.core.checks import CheckResult, Tally, judge
from veristep.core.datasets import DIGEST_BYTES, DataFile
from veristep.core.verdicts import Finding
from veristep.guard.data import changed as changed_rule
from veristep.guard.data import missing as missing_rule
from veristep.guard.data import swapped as swapped_rule
from veristep.guard.data import unknown as unknown_rule
from veristep.supervise.data import rows
from veristep.supervise.data.digesting import Assembled, Digested, Digester, Piece, pieces_of
from veristep.supervise.data.lock import read_small
from veristep.supervise.data.source import Item, Listing, Source
from veristep.supervise.data.store import Locked

UNTOUCHED = "as at the lock by size and times, or by version; not read"
NOT_DRAWN = "not in the sample"


class How(StrEnum):
    """How much is read."""

    FULL = "full"
    SAMPLE = "sample"
    QUICK = "quick"


@dataclass(frozen=True, slots=True)
class CheckOptions:
    """How to check.

    Attributes:
        how: read everything, a sample of chunks, or only files that were touched.
        sample: chunks to read, for a sample.
        changed: of how many changed chunks the chance to have missed all is told.
        jobs: threads; 0 for one per processor.
    """

    how: How = How.FULL
    sample: int = 0
    changed: int = 1
    jobs: int = 0


@dataclass(frozen=True, slots=True)
class DataChecked:
    """What a check says.

    Attributes:
        result: the verdict with coverage and findings.
        missed: the chance that `CheckOptions.changed` changed chunks were all missed; None when everything
            was read.
    """

    result: CheckResult
    missed: float | None


@dataclass(slots=True)
class _Seen:
    """What was seen, per path: chunks read, those that differ, and why others could not be read."""

    read: Counter[str] = field(default_factory=Counter)
    bad: dict[str, set[int]] = field(default_factory=dict)
    unreadable: dict[str, str] = field(default_factory=dict)


def check(
    locked: Locked,
    source: Source,
    options: CheckOptions,
    progress: Callable[[int, int], None] = lambda _done, _all: None,
    rng: random.Random | None = None,
) -> DataChecked:
    """Compare data with its manifest.

    Args:
        locked: the manifest.
        source: where the data lies now.
        options: how much is read.
        progress: is told how many of how many chunks are done.
        rng: draws the sample; by default one that nobody can foresee.

    Raises:
        VeristepError: the data cannot be listed.
    """
    listing = source.listing()
    present = {item.path: item for item in listing.items}
    seen = _Seen()
    resized = [
        file
        for file in locked.manifest.files
        if file.path in present and present[file.path].size != file.size
    ]
    pieces = _pieces(locked, present, options, rng or random.SystemRandom())
    _compare(locked, source, pieces, options, progress, seen)
    compared = Comparison(locked, source, listing, options.jobs)
    findings = compared.findings(seen.bad, resized)
    result = judge(_coverage(locked, listing, seen, options), findings)
    return DataChecked(result, _missed(locked, seen, options))


def _pieces(
    locked: Locked, present: Mapping[str, Item], options: CheckOptions, rng: random.Random
) -> list[Piece]:
    """Return what is to be read, of files that are there and have their size."""
    found: list[Piece] = []
    wanted = _drawn(locked, options.sample, rng) if options.how is How.SAMPLE else {}
    for file in locked.manifest.files:
        item = present.get(file.path)
        if item is None or item.size != file.size:
            continue
        untouched = locked.states.get(file.path) == item.state
        if options.how is How.FULL or not untouched:
            found += pieces_of(item, locked.manifest.chunk_bytes)
        else:
            found += [Piece(item, number, number + 1) for number in wanted.get(file.path, ())]
    return found


def _drawn(locked: Locked, count: int, rng: random.Random) -> dict[str, list[int]]:
    total = locked.manifest.chunks
    chosen = sorted(rng.sample(range(total), min(count, total)))
    found: dict[str, list[int]] = {}
    at = begin = 0
    for file in locked.manifest.files:
        while at < len(chosen) and chosen[at] < begin + file.count:
            found.setdefault(file.path, []).append(chosen[at] - begin)
            at += 1
        begin += file.count
    return found


def _compare(
    locked: Locked,
    source: Source,
    pieces: list[Piece],
    options: CheckOptions,
    progress: Callable[[int, int], None],
    seen: _Seen,
) -> None:
    known = locked.manifest.by_path()
    total = sum(piece.stop - piece.start for piece in pieces)
    done = 0
    for found in Digester(source, locked.manifest.chunk_bytes, options.jobs).run(pieces):
        path = found.piece.item.path
        if found.reason:
            seen.unreadable[path] = found.reason
            continue
        wrong = differing(known[path], found)
        if wrong:
            seen.bad.setdefault(path, set()).update(wrong)
        count = found.piece.stop - found.piece.start
        seen.read[path] += count
        done += count
        progress(done, total)


def differing(file: DataFile, found: Digested) -> list[int]:
    """Return the numbers of the chunks that are not the manifest's."""
    start, stop = found.piece.start, found.piece.stop
    if file.chunks[start * DIGEST_BYTES : stop * DIGEST_BYTES] == found.chunks:
        return []
    return [
        number
        for number in range(start, stop)
        if file.chunk(number) != found.chunks[(number - start) * DIGEST_BYTES :][:DIGEST_BYTES]
    ]


class Comparison:
    """Turns what differs into findings: which bytes, which rows, whose content it is."""

    def __init__(self, locked: Locked, source: Source, listing: Listing, jobs: int = 0) -> None:
        self._locked = locked
        self._source = source
        self._present = {item.path: item for item in listing.items}
        self._known = locked.manifest.by_path()
        self._unknown = [item for item in listing.items if item.path not in self._known]
        self._gone = [file for file in locked.manifest.files if file.path not in self._present]
        self._by_content: dict[bytes, list[str]] = {}
        for file in locked.manifest.files:
            if file.chunks:
                self._by_content.setdefault(file.chunks, []).append(file.path)
        self._digester = Digester(source, locked.manifest.chunk_bytes, jobs)

    def findings(self, bad: Mapping[str, set[int]], resized: Sequence[DataFile]) -> list[Finding]:
        """Return a finding for everything that is not as locked, in the order of paths."""
        found = [self.changed(path, numbers) for path, numbers in sorted(bad.items())]
        found += [self.changed(file.path, set()) for file in resized]
        moved = self._moved()
        for file in self._gone:
            place = self._source.place(file.path)
            found.append(missing_rule.finding(place, self._locked.name, moved.get(file.path, "")))
        for item in self._unknown:
            place = self._source.place(item.path)
            same = self._same_as(item) if item.path in moved.values() else ""
            found.append(unknown_rule.finding(place, self._locked.name, same))
        return found

    def changed(self, path: str, numbers: Iterable[int]) -> Finding:
        """Return the finding for a file whose content is another one."""
        file = self._known[path]
        item = self._present[path]
        place = self._source.place(path)
        chunks = self._chunks_now(item)
        other = self._by_content.get(chunks, []) if chunks else []
        if other and path not in other:
            return swapped_rule.finding(place, self._locked.name, self._source.place(other[0]))
        if chunks is not None:
            numbers = _differing_all(file, chunks)
        return changed_rule.finding(
            place,
            self._locked.name,
            ranges=byte_ranges(sorted(numbers), self._locked.manifest.chunk_bytes, item.size),
            sizes=(file.size, item.size),
            rows=self._rows(path),
        )

    def _rows(self, path: str) -> tuple[int | None, list[str]]:
        before = self._locked.rows.get(path)
        data = read_small(self._source, path) if before is not None else None
        now = rows.text_of(data) if data is not None else None
        return rows.changed_rows(before, now) if before is not None and now is not None else (None, [])

    def _chunks_now(self, item: Item) -> bytes | None:
        """Return the digests of all chunks of a file as it is; None when it cannot be read."""
        assembled = Assembled(item, self._locked.manifest.chunk_bytes)
        for piece in pieces_of(item, self._locked.manifest.chunk_bytes):
            found = self._digester.read(piece)
            if found.reason:
                return None
            assembled.add(piece.start, found.chunks)
        return assembled.chunks()

    def _same_as(self, item: Item) -> str:
        chunks = self._chunks_now(item)
        names = self._by_content.get(chunks, []) if chunks else []
        return names[0] if names else ""

    def _moved(self) -> dict[str, str]:
        """Return, per file that is gone, the unknown file that has its content."""
        sizes = {file.size for file in self._gone}
        found = {}
        for item in self._unknown:
            name = self._same_as(item) if item.size in sizes else ""
            if name:
                found[name] = item.path
        return found


def byte_ranges(numbers: Sequence[int], chunk_bytes: int, size: int) -> list[tuple[int, int]]:
    """Return the byte ranges, from and to before, that sorted chunks cover; adjoining ones are one."""
    found: list[tuple[int, int]] = []
    for number in numbers:
        start, stop = number * chunk_bytes, min((number + 1) * chunk_bytes, size)
        if found and found[-1][1] == start:
            found[-1] = (found[-1][0], stop)
        elif start < size:
            found.append((start, stop))
    return found


def _differing_all(file: DataFile, chunks: bytes) -> list[int]:
    count = len(chunks) // DIGEST_BYTES
    return [
        number
        for number in range(count)
        if file.chunk(number) != chunks[number * DIGEST_BYTES :][:DIGEST_BYTES]
    ]


def _coverage(locked: Locked, listing: Listing, seen: _Seen, options: CheckOptions) -> dict[str, Tally]:
    """Count what was checked; what is gone or has another size is known to be wrong without reading it."""
    present = {item.path: item.size for item in listing.items}
    rest = NOT_DRAWN if options.how is How.SAMPLE else UNTOUCHED
    files, chunks = Counter[str](), Counter[str]()
    for file in locked.manifest.files:
        read = seen.read[file.path]
        if present.get(file.path) != file.size or read == file.count:
            files[""] += 1
            chunks[""] += file.count
            continue
        why = seen.unreadable.get(file.path, rest)
        files[why] += 1
        chunks[""] += read
        chunks[why] += file.count - read
    for _path, reason in {*locked.left_out, *listing.left_out}:
        files[f"never locked: {reason}"] += 1
    return {"files": _tally(files), "chunks": _tally(chunks)}


def _tally(counted: Counter[str]) -> Tally:
    return Tally(counted.total(), counted[""], {why: count for why, count in counted.items() if why})


def _missed(locked: Locked, seen: _Seen, options: CheckOptions) -> float | None:
    total, read = locked.manifest.chunks, seen.read.total()
    if read >= total or options.how is How.FULL:
        return None
    return sampling.chance_missed(total, read, options.changed)
