"""The data a run declares, watched while it trains; and what it reads beside that."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

from veristep.core.checks import Tally
from veristep.core.verdicts import Finding
from veristep.guard.data import during, undeclared, unknown
from veristep.record.channel import complain
from veristep.record.reads import READ
from veristep.supervise.checks.protocol import Check, Subject
from veristep.supervise.data.watching import Watching
from veristep.supervise.notes import Note, Notes


class DataCheck(Check):
    """Holds the data against its manifests, and what was read against both."""

    name = "data"

    def __init__(self, subject: Subject) -> None:
        self._subject = subject
        self._steps = 0
        self._entries = subject.data.entries
        self._watching: Watching | None = None
        self._notes = Notes(subject.boot, (READ,))
        self._outside: list[str] = []
        self._read: set[str] = set()

    def before(self) -> list[Finding]:
        """Tell of what is not locked."""
        for _name, reason in self._subject.data.missing:
            complain(f"{reason}; the run goes on without checking it")
        if self._entries:
            self._watching = Watching(self._subject.ledger, self._entries, lambda: self._steps)
        return []

    def hear(self, line: Mapping[str, Any]) -> list[Finding]:
        """Follow how far the run is."""
        if line.get("type") == "step" and isinstance(line.get("step"), int):
            self._steps = max(self._steps, int(line["step"]) + 1)
        return []

    def look(self) -> list[Finding]:
        """Return what was found, and take in what was read."""
        if self._watching is None:
            return []
        self._watching.start()
        # What was read is judged by the manifests, once they are loaded.
        notes = self._notes.new() if self._watching.swept else []
        return [*self._watching.findings(), *(found for note in notes for found in self._judge(note))]

    def finish(self) -> list[Finding]:
        """Look a last time; name what was read outside the declared data."""
        if self._watching is None:
            return []
        self._watching.start()
        found = self._watching.finish()
        found += [each for note in self._notes.new() for each in self._judge(note)]
        if self._outside:
            names = [str(entry.body.get("name")) for entry in self._entries]
            found.append(undeclared.finding(self._outside, names))
        return found

    def coverage(self) -> Mapping[str, Tally]:
        """Return what was checked."""
        found = self._watching.coverage() if self._watching else {}
        if self._subject.data.missing:
            why = {reason: 1 for _name, reason in self._subject.data.missing}
            found["manifests"] = Tally(len(self._entries) + len(why), len(self._entries), why)
        return found

    def _judge(self, note: Note) -> list[Finding]:
        assert self._watching is not None
        if note.path in self._read:
            return []
        self._read.add(note.path)
        real = os.path.realpath(note.path)
        for data in self._watching.data:
            name = _below(data.locked.root, note.path) or _below(os.path.realpath(data.locked.root), real)
            if not name:
                continue
            each = data.by_path.get(name)
            if each is None:
                return self._unknown(note, data.locked.name)
            opened = (note.size, note.mtime_ns)
            if each.wrong or not each.known or opened in each.known:
                return []
            return [during.opened_otherwise(note.path, data.locked.name, opened, each.known[0])]
        self._outside.append(note.path)
        return []

    def _unknown(self, note: Note, name: str) -> list[Finding]:
        if note.mtime_ns >= self._subject.started_ns:
            self._outside.append(note.path)  # made by the run itself, as a cache is
            return []
        return [unknown.finding(note.path, name, read=True)]


def _below(root: str, path: str) -> str:
    """Return a path relative to a root, empty when it is not below it."""
    prefix = root.rstrip("/") + "/"
    return path[len(prefix) :] if path.startswith(prefix) else ""
