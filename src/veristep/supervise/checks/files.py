"""Checkpoints of a run: what it loads is held against the record, what it writes is described for later."""

from __future__ import annotations

import contextlib
import glob
import os
import queue
import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from veristep.core.checks import Tally
from veristep.core.verdicts import Finding, Severity
from veristep.record.files import read_digests
from veristep.record.reads import READ
from veristep.supervise.artifacts import known as known_artifacts
from veristep.supervise.artifacts import shards, store
from veristep.supervise.artifacts.approvals import Protection
from veristep.supervise.artifacts.judging import FileNow, judge
from veristep.supervise.artifacts.known import Known, of_line, removed_of
from veristep.supervise.artifacts.members import describe
from veristep.supervise.checks.protocol import Check, Subject
from veristep.supervise.notes import Note, Notes

FINISH_SECONDS = 5.0
MAX_PROTECTED = 1000


class FileCheck(Check):
    """Reads, on a thread of the lowest priority, what the run loaded and wrote."""

    name = "files"

    def __init__(self, subject: Subject) -> None:
        self._subject = subject
        self._notes = Notes(subject.boot, (READ,))
        self._jobs: queue.SimpleQueue[Callable[[], None] | None] = queue.SimpleQueue()
        self._found: queue.SimpleQueue[Finding] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None
        self._open = 0
        self._done = 0
        self._error: Exception | None = None
        self._known = Known()
        self._protection: Protection | None = None
        self._contents: dict[str, str] = {}
        self._indexes: set[str] = set()
        self._later: dict[str, FileNow] = {}
        self._told: set[tuple[str, str]] = set()
        self._loaded: Counter[str] = Counter()
        self._described: Counter[str] = Counter()

    def hear(self, line: Mapping[str, Any]) -> list[Finding]:
        """Take in what the run wrote and removed."""
        kind = line.get("type")
        if kind == "artifact":
            self._put(partial(self._wrote, dict(line)))
        elif kind == "removed":
            self._put(partial(self._removed, dict(line)))
        return []

    def look(self) -> list[Finding]:
        """Return what was found, and take in what was loaded."""
        self._start()
        for note in self._notes.new():
            self._put(partial(self._loads, note))
        return self._take()

    def finish(self) -> list[Finding]:
        """Wait a limited time for the rest."""
        found = self.look()
        deadline = time.monotonic() + FINISH_SECONDS
        while self._done < self._open and time.monotonic() < deadline and self._error is None:
            time.sleep(0.01)
        self._check_shards()
        for now in self._later.values():
            late = judge(self._subject.ledger, self._known, now).finding
            if late is not None:
                self._tell(replace(late, severity=Severity.WARNING))
        return [*found, *self._take()]

    def coverage(self) -> Mapping[str, Tally]:
        """Return how many files were held against the record, and how many were described."""
        left = self._open - self._done
        found = {"recorded files read": _tally(self._loaded), "files written": _tally(self._described)}
        if left:
            found["files waiting"] = Tally(left, 0, {"there was no time before the run ended": left})
        return {name: tally for name, tally in found.items() if tally.total}

    def _start(self) -> None:
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="veristep-files", daemon=True)
            self._thread.start()

    def _put(self, job: Callable[[], None]) -> None:
        self._open += 1
        self._jobs.put(job)

    def _take(self) -> list[Finding]:
        found = []
        with contextlib.suppress(queue.Empty):
            while True:
                found.append(self._found.get_nowait())
        if self._error is not None and not found:
            raise self._error
        return found

    # -- the thread ---------------------------------------------------------------------------------

    def _run(self) -> None:
        with contextlib.suppress(OSError):
            os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), 19)
        try:
            self._known = known_artifacts.read(self._subject.ledger)
            self._protection = Protection(self._subject.policy.protect, self._subject.ledger)
            for path in self._protected():
                self._judge(path, None)
            while (job := self._jobs.get()) is not None:
                job()
                self._done += 1
        except Exception as error:  # noqa: BLE001 - boundary: it is raised where it is heard
            self._error = error

    def _protected(self) -> list[str]:
        patterns = self._subject.policy.protect.paths
        found = [path for pattern in patterns for path in glob.glob(pattern)]  # noqa: PTH207
        return sorted(set(found))[:MAX_PROTECTED]

    def _loads(self, note: Note) -> None:
        """Hold a file that the run opened against the record, if that knows its path."""
        real = os.path.realpath(note.path)
        recorded = self._known.last(note.path, real) is not None
        if recorded or (self._protection is not None and self._protection.covers(note.path, real)):
            self._judge(note.path, note)
        if shards.is_index(note.path):
            self._indexes.add(note.path)
            self._check_shards()

    def _check_shards(self) -> None:
        """Look whether what indexes name belongs together; again at the end, when all of it was read."""
        for index in sorted(self._indexes):
            for each in shards.check(Path(index), self._known, self._contents):
                self._tell(each)

    def _judge(self, path: str, note: Note | None) -> None:
        read = read_digests(Path(path))
        if read is None:
            self._loaded["cannot be read, or changes while it is read"] += 1
            return
        if note is not None and (note.size, note.mtime_ns) != (read.size, read.mtime_ns):
            self._loaded["another file by the time it was read"] += 1
            return
        if note is not None:
            self._loaded[""] += 1
        self._contents[path] = read.sha256
        real = os.path.realpath(path)
        now = FileNow(path, real, read.size, read.sha256, read.mtime_ns)
        found = judge(self._subject.ledger, self._known, now).finding if note is not None else None
        if found is not None and read.mtime_ns < self._subject.started_ns:
            self._tell(found)
        elif found is not None:
            # Perhaps a process of this run wrote it, and has not told yet.
            self._later[path] = now
        if self._protection is not None and self._protection.covers(path, real):
            unsigned = self._protection.judge(self._known, (path, real), read.sha256)
            if unsigned is not None:
                self._tell(unsigned)

    def _tell(self, finding: Finding) -> None:
        key = (finding.rule, str(finding.evidence.get("path")))
        if key not in self._told:
            self._told.add(key)
            self._found.put(finding)

    def _wrote(self, line: Mapping[str, Any]) -> None:
        written = of_line(line, index=-1, time_ns=time.time_ns(), run=self._subject.run)
        self._known.add(written)
        try:
            before = os.stat(written.path)  # noqa: PTH116
            members = describe(Path(written.path)) if _is(before, line) else None
            same = _is(os.stat(written.path), line)  # noqa: PTH116
        except OSError:
            self._described["gone before it was looked at"] += 1
            return
        if not same:
            self._described["written again before it was looked at"] += 1
        elif members is not None:
            store.save(
                self._subject.ledger, written.sha256, members, self._subject.run, self._subject.project
            )
            self._described[""] += 1

    def _removed(self, line: Mapping[str, Any]) -> None:
        self._known.remove(removed_of(line, self._subject.run))


def _is(status: os.stat_result, line: Mapping[str, Any]) -> bool:
    return (status.st_size, status.st_mtime_ns) == (line.get("size"), line.get("mtime_ns"))


def _tally(counted: Counter[str]) -> Tally:
    return Tally(counted.total(), counted[""], {why: count for why, count in counted.items() if why})
