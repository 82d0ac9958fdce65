"""Watches locked data while a run reads it: what is touched is read at once, and the rest by samples.

All reading is on one thread at the lowest priority, which sleeps most of the time.
"""

from __future__ import annotations

import contextlib
import os
import queue
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from veristep.core import sampling
from veristep.core.checks import Tally
from veristep.core.datasets import DataFile
from veristep.core.verdicts import Finding
from veristep.errors import VeristepError
from veristep.guard.data import during, missing
from veristep.ledger.entries import Entry
from veristep.ledger.log import Ledger
from veristep.supervise.data import store
from veristep.supervise.data.check import Comparison, differing
from veristep.supervise.data.digesting import Digester, Piece, pieces_of
from veristep.supervise.data.drawing import Drawing
from veristep.supervise.data.remote import RemoteSource, is_address
from veristep.supervise.data.source import Item, Listing, LocalSource, Source, State
from veristep.supervise.data.store import Locked

# Of its thread's time, reading may take one part in so many.
IDLE_SHARE = 50
SWEEP_SECONDS = 1.0
# Listing a bucket costs its owner money.
REMOTE_SWEEP_SECONDS = 60.0
LAST_SWEEP_SECONDS = 5.0
# A change in so few of a hundred chunks is what the stated chance is about.
STATED_SHARE = 100

Steps = Callable[[], int]
"""Returns how many steps the run has taken."""


@dataclass(slots=True)
class _File:
    """One file of the manifest, and how it was when it was last read or found untouched.

    Attributes:
        file: what the manifest says of it.
        state: then; None before it was looked at.
        kept: mode, owner, group and number of names then.
        known: size and modification time, each time it was right.
        wrong: whether it was found to be another one.
        since: steps taken when it was last looked at.
    """

    file: DataFile
    state: State | None = None
    kept: tuple[int, ...] = ()
    known: list[tuple[int, int]] = field(default_factory=list)
    wrong: bool = False
    since: int = 0

    def is_right(self, state: State, kept: tuple[int, ...]) -> None:
        """Take a state as one that the file had with its locked content."""
        self.state, self.kept = state, kept
        if len(state) == 5:
            self.known.append((int(state[2]), int(state[3])))


@dataclass(slots=True)
class _Data:
    """One data set that is watched."""

    locked: Locked
    source: Source
    files: list[_File]
    by_path: dict[str, _File]
    drawing: Drawing


class Watching:
    """Watches the data a run declares."""

    def __init__(self, ledger: Ledger, entries: Sequence[Entry], steps: Steps) -> None:
        """Watch from the first `start` on.

        Args:
            ledger: holds the manifests.
            entries: of kind ``data.locked``.
            steps: how far the run is.
        """
        self._ledger = ledger
        self._entries = entries
        self._steps = steps
        self._data: list[_Data] = []
        self._found: queue.SimpleQueue[Finding] = queue.SimpleQueue()
        self._failed: dict[str, str] = {}
        self._error: Exception | None = None
        self._swept = threading.Event()
        self._stop = threading.Event()
        self._done = threading.Event()
        self._thread: threading.Thread | None = None

    @property
    def data(self) -> Sequence[_Data]:
        """What is watched, once it was loaded."""
        return self._data

    @property
    def swept(self) -> bool:
        """Whether everything was looked at once."""
        return self._swept.is_set()

    def start(self) -> None:
        """Begin; a second time does nothing."""
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="veristep-data-watch", daemon=True)
            self._thread.start()

    def findings(self) -> list[Finding]:
        """Return, once, what was found since the last time.

        Raises:
            Exception: what ended the watching, once nothing is left to return.
        """
        found: list[Finding] = []
        with contextlib.suppress(queue.Empty):
            while True:
                found.append(self._found.get_nowait())
        if self._error is not None and not found:
            raise self._error
        return found

    def finish(self) -> list[Finding]:
        """Look a last time, for a limited while, and return what was found."""
        self._stop.set()
        if self._thread is not None:
            self._done.wait(LAST_SWEEP_SECONDS)
        return self.findings()

    def coverage(self) -> dict[str, Tally]:
        """Return what was checked of it."""
        files = sum(len(each.files) for each in self._data)
        known = sum(one.state is not None or one.wrong for each in self._data for one in each.files)
        chunks = sum(each.locked.manifest.chunks for each in self._data)
        seen = sum(each.drawing.count for each in self._data)
        why = {"not looked at before the run ended": files - known} if files > known else {}
        for entry in self._entries:
            name = str(entry.body.get("name"))
            if name in self._failed:
                why[f"the manifest of {name} cannot be used: {self._failed[name]}"] = 1
                files += 1
        return {
            "files": Tally(files, known, why),
            "chunks": Tally(chunks, seen, self._not_drawn(chunks, seen)),
        }

    def _not_drawn(self, chunks: int, seen: int) -> dict[str, int]:
        if seen >= chunks:
            return {}
        changed = max(1, chunks // STATED_SHARE)
        chance = sampling.chance_missed(chunks, seen, changed)
        what = "one changed chunk" if changed == 1 else f"{changed} changed chunks"
        why = f"not drawn: {what} that kept times would have been missed with chance {chance:.3g}"
        return {why: chunks - seen}

    # -- the thread ---------------------------------------------------------------------------------

    def _run(self) -> None:
        with contextlib.suppress(OSError):
            os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), 19)
        try:
            self._load()
            while not self._stop.is_set():
                began = time.monotonic()
                self._sweep()
                took = time.monotonic() - began
                least = REMOTE_SWEEP_SECONDS if self._is_remote() else SWEEP_SECONDS
                self._draw_until(time.monotonic() + max(least, IDLE_SHARE * took))
            self._sweep()
        except Exception as error:  # noqa: BLE001 - boundary: it is raised where it is heard
            self._error = error
        finally:
            self._done.set()

    def _is_remote(self) -> bool:
        return any(is_address(data.locked.root) for data in self._data)

    def _load(self) -> None:
        for entry in self._entries:
            try:
                locked = store.load(self._ledger, entry)
                source = _source(locked)
            except VeristepError as error:
                self._failed[str(entry.body.get("name"))] = str(error)
                continue
            files = [_File(file) for file in locked.manifest.files]
            by_path = {each.file.path: each for each in files}
            self._data.append(_Data(locked, source, files, by_path, Drawing([e.file.count for e in files])))

    def _sweep(self) -> None:
        for data in self._data:
            try:
                states = data.source.states()
            except VeristepError as error:
                self._failed[data.locked.name] = str(error)
                continue
            self._failed.pop(data.locked.name, None)
            for number, each in enumerate(data.files):
                now = states(each.file.path)
                if now is None:
                    self._gone(data, each)
                elif now != each.state:
                    self._touched(data, number, now)
                each.since = self._steps()
        self._swept.set()

    def _gone(self, data: _Data, each: _File) -> None:
        if not each.wrong:
            each.wrong = True
            when = f"between steps {each.since} and {self._steps()}" if each.state is not None else ""
            self._found.put(missing.finding(data.source.place(each.file.path), data.locked.name, when=when))

    def _touched(self, data: _Data, number: int, now: State) -> None:
        """Read a file whose state is another than it was; the first time, than it was at the lock."""
        each = data.files[number]
        first = each.state is None and not each.wrong
        if first and data.locked.states.get(each.file.path) == now:
            each.is_right(now, _kept(data.source, each.file.path))
            return
        when = f"between steps {each.since} and {self._steps()}" if not first else ""
        item = Item(each.file.path, _size(now), now)
        comparison = Comparison(data.locked, data.source, Listing((item,)))
        wrong = self._wrong(data, number, item)
        if wrong is None:
            return  # it is being written: the next sweep sees it again
        place = data.source.place(each.file.path)
        if wrong:
            found = comparison.changed(each.file.path, wrong)
            if not each.wrong:
                self._found.put(found if first else during.finding(place, data.locked.name, found, when))
            each.wrong = True
        elif not first and not each.wrong:
            self._found.put(_put_back(data, each, now, when))
        if wrong:
            each.state = now
        else:
            each.is_right(now, _kept(data.source, each.file.path))

    def _wrong(self, data: _Data, number: int, item: Item) -> set[int] | None:
        """Return the chunks that differ, all of them for another size; None when it cannot be read."""
        each = data.files[number]
        if item.size != each.file.size:
            return {0}
        digester = Digester(data.source, data.locked.manifest.chunk_bytes, 1)
        wrong: set[int] = set()
        for piece in pieces_of(item, data.locked.manifest.chunk_bytes):
            found = digester.read(piece)
            if found.reason:
                return None
            wrong.update(differing(each.file, found))
            data.drawing.saw(number, piece.start, piece.stop)
        return wrong

    def _draw_until(self, deadline: float) -> None:
        """Read chunks drawn at random, sleeping in between, until a moment or the end."""
        while not self._stop.is_set():
            began = time.monotonic()
            if began >= deadline:
                return
            drawn = [data for data in self._data if self._draw(data)]
            took = time.monotonic() - began
            pause = IDLE_SHARE * took if drawn else deadline - began
            self._stop.wait(min(max(pause, 0.001), max(0.0, deadline - began)))

    def _draw(self, data: _Data) -> bool:
        """Read one chunk; answer whether there was one to read."""
        drawn = data.drawing.next()
        if drawn is None:
            return False
        number, chunk = drawn
        each = data.files[number]
        if each.wrong or each.state is None:
            return True
        item = Item(each.file.path, each.file.size, each.state)
        found = Digester(data.source, data.locked.manifest.chunk_bytes, 1).read(
            Piece(item, chunk, chunk + 1)
        )
        if found.reason:
            return True  # touched since: the next sweep reads all of it
        data.drawing.saw(number, chunk, chunk + 1)
        if differing(each.file, found):
            each.wrong = True
            comparison = Comparison(data.locked, data.source, Listing((item,)))
            self._found.put(comparison.changed(each.file.path, {chunk}))
        return True


def _source(locked: Locked) -> Source:
    if is_address(locked.root):
        return RemoteSource(locked.root)
    return LocalSource(Path(locked.root), [Path(locked.root) / each for each in locked.chosen])


def _size(state: State) -> int:
    # Of a local file it stands third, of a remote one first.
    size = state[2] if len(state) == 5 else state[0]
    return size if isinstance(size, int) else -1


def _kept(source: Source, path: str) -> tuple[int, ...]:
    """Return what a change of owner or mode, or a new name, changes beside the change time."""
    if not isinstance(source, LocalSource):
        return ()
    try:
        status = os.stat(source.place(path))  # noqa: PTH116
    except OSError:
        return ()
    return (status.st_mode, status.st_uid, status.st_gid, status.st_nlink)


def _put_back(data: _Data, each: _File, now: State, when: str) -> Finding:
    local = isinstance(data.source, LocalSource)
    names = (
        ("device", "inode", "size", "modification time", "change time")
        if local
        else ("size", "tag", "time")
    )
    before = each.state or ()
    signs = [name for name, old, new in zip(names, before, now, strict=False) if old != new]
    harmless = signs == ["change time"] and _kept(data.source, each.file.path) != each.kept
    place = data.source.place(each.file.path)
    return during.put_back(place, data.locked.name, when, signs or ["its version"], harmless=harmless)
