"""Locks data: reads what has to be read, and only that, and puts its manifest into the ledger."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from blake3 import blake3

from veristep.core.datasets import DIGEST_BYTES, DataFile, Manifest
from veristep.errors import MalformedError, NotFoundError, TamperedError, UnavailableError, UsageError
from veristep.ledger.log import Ledger
from veristep.supervise.data import rows, store
from veristep.supervise.data.digesting import (
    CHANGED,
    Assembled,
    Digester,
    file_digest,
    is_racy,
    pieces_of,
)
from veristep.supervise.data.journal import Journal
from veristep.supervise.data.source import Item, Listing, Source, State
from veristep.supervise.data.store import Locked

CHUNK_BYTES = 1 << 20
# The kernel's clock ticks every 1 to 10 ms; file systems on other machines have clocks of their own.
RACY_NS = 1_000_000_000

Progress = Callable[[int, int], None]
"""Is told how many of how many bytes are done."""


@dataclass(frozen=True, slots=True)
class LockOptions:
    """How to lock.

    Attributes:
        name: what the data is called; empty for the last part of its root.
        chunk_bytes: size of a chunk.
        jobs: threads; 0 for one per processor.
        full: read everything, also files that were not touched since the last lock.
        project: the project it belongs to.
    """

    name: str = ""
    chunk_bytes: int = CHUNK_BYTES
    jobs: int = 0
    full: bool = False
    project: str = ""


@dataclass(frozen=True, slots=True)
class LockOutcome:
    """What was locked.

    Attributes:
        locked: the manifest as it stands in the ledger.
        read_bytes: how much of the data had to be read.
        untouched: files that were taken from the lock before, by their state.
        resumed: files and pieces that a lock which did not end had read.
        changed, added, gone: paths, against the lock before; empty without one.
        seconds: what it took.
    """

    locked: Locked
    read_bytes: int
    untouched: int
    resumed: int
    changed: tuple[str, ...]
    added: tuple[str, ...]
    gone: tuple[str, ...]
    seconds: float


@dataclass(slots=True)
class _Work:
    """What is known so far, by path."""

    done: dict[str, Assembled]
    states: dict[str, State | None]
    failed: dict[str, str]
    read_bytes: int = 0
    resumed: int = 0


def lock(
    ledger: Ledger,
    source: Source,
    options: LockOptions,
    progress: Progress = lambda _done, _all: None,
    *,
    racy_ns: int = RACY_NS,
) -> LockOutcome:
    """Read data and put its manifest into the ledger.

    Raises:
        UsageError: there is nothing to lock.
        UnavailableError: it is being locked by somebody else.
        StorageError: the ledger cannot be written.
    """
    began = time.monotonic()
    listing = source.listing()
    if not listing.items:
        raise UsageError(f"there is no file in {source.root}", hint="name a folder or files of data")
    before = _before(ledger, source, options)
    work = _Work({}, {}, {})
    untouched = {} if options.full or before is None else _untouched(listing, before)
    with Journal(ledger.path, source.root, options.chunk_bytes) as journal:
        _read(source, listing, options, journal, untouched, work, progress, racy_ns)
        journal.flush()
        files = [
            untouched.get(item.path) or _file(work.done[item.path])
            for item in listing.items
            if item.path in untouched or (item.path in work.done and work.done[item.path].complete)
        ]
        left_out = (*listing.left_out, *sorted(work.failed.items()))
        states = {path: before.states[path] for path in untouched} if before else {}
        locked = Locked(
            name=options.name or _name_of(source.root),
            root=source.root,
            manifest=Manifest(options.chunk_bytes, tuple(files)),
            states=states | work.states,
            rows=_rows(source, files, options.chunk_bytes),
            left_out=left_out,
            chosen=source.chosen,
        )
        receipt = store.save(ledger, locked, options.project)
        journal.remove()
    entry = next(ledger.entries(kind=store.LOCKED, since=receipt.index))
    changes = _changes(before, locked.manifest)
    return LockOutcome(
        replace(
            locked,
            digest=str(entry.body.get("digest")),
            index=entry.index,
            time_ns=entry.time_ns,
            actor=entry.actor,
        ),
        work.read_bytes,
        len(untouched),
        work.resumed,
        *changes,
        seconds=time.monotonic() - began,
    )


def _name_of(root: str) -> str:
    return root.rstrip("/").rpartition("/")[2] or root


def _before(ledger: Ledger, source: Source, options: LockOptions) -> Locked | None:
    """Return the lock before of the same root and chunk size; one that is damaged is as good as none."""
    try:
        before = store.load(ledger, store.find(ledger, source.root))
    except (NotFoundError, MalformedError, TamperedError, UnavailableError):
        return None
    return before if before.manifest.chunk_bytes == options.chunk_bytes else None


def _untouched(listing: Listing, before: Locked) -> dict[str, DataFile]:
    known = before.manifest.by_path()
    found = {}
    for item in listing.items:
        file = known.get(item.path)
        if file and before.states.get(item.path) == item.state and file.link == item.link:
            found[item.path] = file
    return found


def _read(
    source: Source,
    listing: Listing,
    options: LockOptions,
    journal: Journal,
    untouched: Mapping[str, DataFile],
    work: _Work,
    progress: Progress,
    racy_ns: int,
) -> None:
    known = {} if options.full else journal.known()
    waiting: list[Item] = []
    for item in listing.items:
        if item.path in untouched:
            continue
        work.done[item.path] = _resumed(item, known.get(item.path, {}), options.chunk_bytes, racy_ns, work)
        waiting.append(item)
    total = sum(item.size for item in listing.items)
    done = total - sum(item.size for item in waiting)

    def progressed(more: int) -> None:
        progress(done + more, total)

    again = _pass(source, waiting, options, journal, work, progressed, racy_ns)
    # Once more: a file that was being written may be complete by now.
    changed = _listed_again(source, again)
    for item in changed:
        work.done[item.path] = Assembled(item, options.chunk_bytes)
        work.failed.pop(item.path, None)
    _pass(source, changed, options, journal, work, lambda _more: None, racy_ns)


def _pass(
    source: Source,
    items: list[Item],
    options: LockOptions,
    journal: Journal,
    work: _Work,
    progress: Callable[[int], None],
    racy_ns: int,
) -> list[Item]:
    """Read what is missing of some files; return those that changed meanwhile."""
    chunk_bytes = options.chunk_bytes
    digester = Digester(source, chunk_bytes, options.jobs)
    started = time.time_ns()
    pieces = (piece for item in items for piece in work.done[item.path].missing(chunk_bytes))
    for found in digester.run(pieces):
        item = found.piece.item
        if found.reason:
            work.done[item.path].reason = work.failed[item.path] = found.reason
            continue
        work.done[item.path].add(found.piece.start, found.chunks)
        journal.add(item.path, item.state, found.piece.start, found.chunks)
        work.read_bytes += min(item.size, found.piece.stop * chunk_bytes) - found.piece.start * chunk_bytes
        progress(work.read_bytes)
    for item in items:
        if not work.done[item.path].complete:
            work.failed.setdefault(item.path, "not all of it could be read")
        else:
            work.states[item.path] = None if is_racy(item.state, started, racy_ns) else item.state
    return [item for item in items if work.failed.get(item.path) == CHANGED]


def _resumed(
    item: Item, known: Mapping[int, tuple[State, bytes]], chunk_bytes: int, racy_ns: int, work: _Work
) -> Assembled:
    """Take over what a lock that did not end had read of a file that was not touched since."""
    assembled = Assembled(item, chunk_bytes)
    for piece in pieces_of(item, chunk_bytes):
        state, chunks = known.get(piece.start, ((), b""))
        whole = len(chunks) == DIGEST_BYTES * (piece.stop - piece.start)
        if state == item.state and whole and not is_racy(state, time.time_ns(), racy_ns):
            assembled.add(piece.start, chunks)
            work.resumed += 1
    return assembled


def _listed_again(source: Source, items: list[Item]) -> list[Item]:
    if not items:
        return []
    names = {item.path for item in items}
    return [item for item in source.listing().items if item.path in names]


def _file(assembled: Assembled) -> DataFile:
    item, chunks = assembled.item, assembled.chunks()
    return DataFile(item.path, item.size, file_digest(item.size, chunks), chunks, item.link)


def _rows(source: Source, files: list[DataFile], chunk_bytes: int) -> dict[str, str]:
    """Return the text of small files of rows, as long as it is what was digested."""
    kept: dict[str, str] = {}
    room = rows.KEEP_ALL_BYTES
    for file in files:
        if not rows.is_kept(file.path, file.size) or file.size > room:
            continue
        text = small_text(source, file, chunk_bytes)
        if text is not None and file.path.isprintable():
            kept[file.path] = text
            room -= file.size
    return kept


def small_text(source: Source, file: DataFile, chunk_bytes: int) -> str | None:
    """Return the text of a small file, if its content is still the manifest's."""
    data = read_small(source, file.path)
    if data is None or len(data) != file.size:
        return None
    pieces = (data[at : at + chunk_bytes] for at in range(0, len(data), chunk_bytes))
    same = b"".join(blake3(piece).digest() for piece in pieces) == file.chunks
    return rows.text_of(data) if same else None


def read_small(source: Source, path: str) -> bytes | None:
    """Return the first `rows.KEEP_BYTES` of a file; None when it cannot be read."""
    buffer = memoryview(bytearray(rows.KEEP_BYTES))
    try:
        with source.open(path) as opened:
            return bytes(buffer[: opened.read_into(buffer, 0)])
    except OSError:
        return None


def _changes(
    before: Locked | None, now: Manifest
) -> tuple[tuple[str, ...], tuple[str, ...], tuple[str, ...]]:
    if before is None:
        return (), (), ()
    old, new = before.manifest.by_path(), now.by_path()
    changed = tuple(path for path in new if path in old and new[path].digest != old[path].digest)
    return changed, tuple(set(new) - set(old)), tuple(set(old) - set(new))


def paths_of(locked: Locked) -> list[Path]:
    """Return the paths a lock was made of, to be looked at again."""
    if not locked.chosen:
        return [Path(locked.root)]
    return [Path(os.path.join(locked.root, each)) for each in locked.chosen]  # noqa: PTH118
