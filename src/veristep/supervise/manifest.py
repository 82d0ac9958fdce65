"""The manifest of what a run read: its processes' notes, digested here, beside the training.

A thread at the lowest priority reads each file once, while the run goes on and for a limited time after
it. A file that is no longer what it was when the run opened it gets a line without a digest.
"""

from __future__ import annotations

import contextlib
import os
import queue
import threading
import time
from collections.abc import Callable
from pathlib import Path

from veristep.core.canonical import Json
from veristep.record.files import read_digests
from veristep.record.reads import FOLDER, MADE, READ
from veristep.supervise.notes import Note, Notes

# How long the end of a run may wait for the rest of its data to be digested.
FINISH_SECONDS = 20.0
# Lines of one run; what was read beyond that is counted.
MAX_LINES = 20_000
# So that no line is a long one.
FILES_PER_LINE = 100


class DataManifest:
    """Turns the notes of a run's processes into lines of its log."""

    def __init__(
        self,
        boot: str,
        keep: Callable[[dict[str, Json]], None],
        gap: Callable[[str, str], None],
        root: str,
        code: frozenset[str],
        started_ns: int,
    ) -> None:
        """Follow the notes beside a boot file.

        Args:
            boot: the run's boot directory.
            keep: takes a line for the run's log.
            gap: is told what is missing, and why.
            root: the folder of the run's code, whose subfolders a replay makes by itself.
            code: files whose content the run's description of its code holds.
            started_ns: when the run started: what is younger was made during it.
        """
        self._notes = Notes(Path(boot), (READ, FOLDER, MADE))
        self._keep = keep
        self._gap = gap
        self._root = root.rstrip("/") + "/"
        self._code = code
        self._started_ns = started_ns
        self._known: set[tuple[str, str]] = set()
        self._left_out = 0
        self._fetched = 0
        self._waiting: queue.SimpleQueue[Note | None] = queue.SimpleQueue()
        self._done: queue.SimpleQueue[dict[str, Json]] = queue.SimpleQueue()
        self._open: dict[str, Note] = {}
        self._thread: threading.Thread | None = None
        self._stopped = threading.Event()

    def look(self) -> None:
        """Take new notes, and keep the lines of what was digested meanwhile."""
        notes = self._notes.new()
        for note in notes:
            self._take(note)
        self._keep_fetched(notes)
        with contextlib.suppress(queue.Empty):
            while True:
                line = self._done.get_nowait()
                self._open.pop(str(line["path"]), None)
                self._keep(line)

    def finish(self, seconds: float = FINISH_SECONDS) -> None:
        """Wait a limited time for the rest, and say what there was no time for."""
        self.look()
        deadline = time.monotonic() + seconds
        while self._open and time.monotonic() < deadline:
            time.sleep(0.01)
            self.look()
        self._stopped.set()
        for note in self._open.values():
            self._keep(_line(note, note="there was no time to read it"))
        self._open.clear()
        if self._left_out:
            why = f"{self._left_out} files that the run read are not in its manifest: there are too many"
            self._gap("data", why)

    def _take(self, note: Note) -> None:
        inside = f"{note.path}/".startswith(self._root)
        if (note.kind, note.path) in self._known or (note.kind != READ and inside):
            return
        if note.kind == READ and note.path in self._code:
            return
        if len(self._known) >= MAX_LINES:
            self._left_out += 1
            return
        self._known.add((note.kind, note.path))
        if note.kind != READ:
            self._keep(_line(note))
        elif note.mtime_ns >= self._started_ns:
            self._keep(_line(note, note="made or changed after the run had started"))
        else:
            self._open[note.path] = note
            self._waiting.put(note)
            if self._thread is None:
                self._thread = threading.Thread(target=self._digest, name="veristep-data", daemon=True)
                self._thread.start()

    def _keep_fetched(self, notes: list[Note]) -> None:
        """Keep which sample each file was opened for first, where a loader opened it."""
        files: dict[str, list[Json]] = {}
        for note in notes:
            if note.dataset and self._fetched < MAX_LINES:
                self._fetched += 1
                files.setdefault(note.dataset, []).append([note.sample, note.path])
        for dataset, found in files.items():
            for at in range(0, len(found), FILES_PER_LINE):
                part = found[at : at + FILES_PER_LINE]
                self._keep({"type": "fetched", "dataset": dataset, "files": part})

    def _digest(self) -> None:
        with contextlib.suppress(OSError):
            os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), 19)
        while not self._stopped.is_set():
            note = self._waiting.get()
            if note is not None:
                self._done.put(_digested(note))


def _digested(note: Note) -> dict[str, Json]:
    read = read_digests(Path(note.path))
    if read is None or (read.size, read.mtime_ns) != (note.size, note.mtime_ns):
        return _line(note, note="changed while the run read it")
    return _line(note, blake3=read.blake3, sha256=read.sha256)


def _line(found: Note, **more: Json) -> dict[str, Json]:
    body: dict[str, Json] = {"type": "data", "kind": found.kind, "path": found.path}
    if found.kind == READ:
        body |= {"size": found.size, "mtime_ns": found.mtime_ns}
    return {**body, **more}
