"""What is in the memory of a run's processes, compared with what was installed."""

from __future__ import annotations

import contextlib
import json
import os
import queue
import threading
import time
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from veristep.core.checks import Tally
from veristep.core.verdicts import Finding, Severity
from veristep.guard.memory import machine_code
from veristep.guard.memory.notes import NOTES
from veristep.guard.policy import Action
from veristep.supervise.boot import byte_code_folder, package_folder
from veristep.supervise.checks.protocol import Check, Subject
from veristep.supervise.memory.judging import Judge, Place

# How long the end of a run may wait for the rest.
FINISH_SECONDS = 3.0
# The kernel walks the page tables of a process for it: some ten milliseconds.
_MAP_SECONDS = 10.0
_READ_BYTES = 1 << 23
# Notes that say that everything is in order, or by whom, are told so often in a run.
_MOST_OF_A_RULE = 50
# What a process goes through, in this order.
PARTS = ("hooks", "names that matter most", "names", "functions", "operators")
_CACHES = ("TORCHINDUCTOR_CACHE_DIR", "TRITON_CACHE_DIR")
_NO_ANSWER = "the clean process to compare with had not answered yet"
_NO_TIME = "there was no time to compare"


class MemoryCheck(Check):
    """Functions, classes, hooks and threads of the processes that train."""

    name = "memory"

    def __init__(self, subject: Subject) -> None:
        self._off = subject.policy.action("MEM") is Action.OFF
        self._notes = Path(subject.boot) / NOTES
        self._offset = 0
        self._parts: dict[int, set[str]] = {}
        self._training: set[int] = set()
        self._map_due: dict[int, float] = {}
        self._maps: set[int] = set()
        self._told: set[tuple[str, str]] = set()
        self._of_rule: dict[str, int] = {}
        self._open = 0
        self._waiting: queue.SimpleQueue[tuple[str, Any]] = queue.SimpleQueue()
        self._done: queue.SimpleQueue[tuple[int, list[Finding]]] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None
        self._stopped = threading.Event()
        self._judge = Judge(_place(subject))

    def before(self) -> list[Finding]:
        """Lay out the file that processes write their notes into, unless a policy wants none."""
        if not self._off:
            self._notes.touch(mode=0o600)
        return []

    def hear(self, line: Mapping[str, Any]) -> list[Finding]:
        """Learn which files were let run something when they were loaded."""
        pid, artifact = line.get("peer_pid"), line.get("artifact")
        if line.get("type") == "load" and isinstance(pid, int) and isinstance(artifact, Mapping):
            path = str(artifact.get("path", ""))
            if path and not line.get("refused") and not self._off:
                self._put("load", (pid, path))
        return []

    def look(self) -> list[Finding]:
        """Take new notes, and tell what came of earlier ones."""
        if self._off:
            return []
        self._read()
        return [*self._drain(), *self._machine_code()]

    def finish(self) -> list[Finding]:
        """Wait a limited time for the rest."""
        found = self.look()
        deadline = time.monotonic() + FINISH_SECONDS
        while (self._open or self._judge.open) and time.monotonic() < deadline:
            time.sleep(0.01)
            found += self._drain()
        self._stopped.set()
        return found

    def coverage(self) -> Mapping[str, Tally]:
        """Return how many processes were looked through, and what of them was compared."""
        if not self._training:
            return {}
        missing = [set(PARTS) - self._parts.get(pid, set()) for pid in self._training]
        first = Counter(next(each for each in PARTS if each in parts) for parts in missing if parts)
        ended = {f"it ended before its {part} were looked at": count for part, count in first.items()}
        found = {"processes": Tally(len(self._training), len(missing) - first.total(), ended)}
        for what in ("functions", "names"):
            outcomes = {
                reason: count for (kind, reason), count in self._judge.counts.items() if kind == what
            }
            checked = outcomes.pop("", 0)
            if checked or outcomes:
                found[what] = Tally(checked + sum(outcomes.values()), checked, outcomes)
        maps = len(self._maps)
        why = {"it ended before its map was read": len(self._training) - maps}
        found["machine code"] = Tally(len(self._training), maps, why if maps < len(self._training) else {})
        if self._judge.open:
            names = found.get("names", Tally())
            why = {**names.not_checked, _NO_ANSWER: self._judge.open}
            found["names"] = Tally(names.total + self._judge.open, names.checked, why)
        if self._open:
            found["notes"] = Tally(self._open, 0, {_NO_TIME: self._open})
        return found

    def _machine_code(self) -> list[Finding]:
        """Look at the code pages of the processes that train, one of them at a time."""
        now = time.monotonic()
        due = [pid for pid in self._training if now >= self._map_due.get(pid, 0.0)]
        found: list[Finding] = []
        for pid in due[:1]:
            self._map_due[pid] = now + _MAP_SECONDS
            with contextlib.suppress(OSError):
                smaps = Path(f"/proc/{pid}/smaps").read_text(encoding="utf-8", errors="surrogateescape")
                self._maps.add(pid)
                found += [machine_code.of(each, pid) for each in machine_code.dirty(smaps)]
        return [each for each in found if self._is_new(each)]

    def _read(self) -> None:
        with self._notes.open("rb") as file:
            file.seek(self._offset)
            data = file.read(_READ_BYTES)
        data = data[: data.rfind(b"\n") + 1]
        self._offset += len(data)
        for text in data.splitlines():
            with contextlib.suppress(ValueError, TypeError, KeyError):
                self._take(json.loads(text))

    def _take(self, note: Any) -> None:
        kind, pid = note["kind"], int(note["pid"])
        self._training.add(pid)
        if kind == "round":
            return
        if kind == "part":
            self._parts.setdefault(pid, set()).add(str(note["what"]))
        self._put("note", note)

    def _put(self, what: str, value: Any) -> None:
        self._open += 1
        self._waiting.put((what, value))
        if self._thread is None:
            self._thread = threading.Thread(target=self._compare, name="veristep-memory", daemon=True)
            self._thread.start()

    def _drain(self) -> list[Finding]:
        found: list[Finding] = []
        with contextlib.suppress(queue.Empty):
            while True:
                count, made = self._done.get_nowait()
                self._open -= count
                found += [each for each in made if self._is_new(each)]
        return found

    def _is_new(self, finding: Finding) -> bool:
        """Whether it was not told yet; notes are told so often only."""
        key = (finding.rule, finding.summary)
        if key in self._told:
            return False
        self._told.add(key)
        if finding.severity is not Severity.INFO:
            return True
        self._of_rule[finding.rule] = self._of_rule.get(finding.rule, 0) + 1
        return self._of_rule[finding.rule] <= _MOST_OF_A_RULE

    def _compare(self) -> None:
        with contextlib.suppress(OSError):
            os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), 19)
        try:
            while not self._stopped.is_set():
                with contextlib.suppress(queue.Empty):
                    self._judged(*self._waiting.get(timeout=0.2))
                self._settled()
        finally:
            self._judge.close()

    def _settled(self) -> None:
        if self._judge.open and self._waiting.empty():
            found = list(self._judge.settle())
            if found:
                self._done.put((0, found))

    def _judged(self, what: str, value: Any) -> None:
        found: list[Finding] = []
        try:
            if what == "load":
                self._judge.loaded(*value)
            else:
                found = list(self._judge.note(value))
        except Exception:  # noqa: BLE001 - boundary: a note may hold anything; the next one is judged
            self._judge.counts["functions", "a note was not understood"] += 1
        self._done.put((1, found))


def _place(subject: Subject) -> Place:
    return Place(
        str(subject.root),
        (package_folder(), str(subject.boot)),
        tuple(subject.environment[name] for name in _CACHES if subject.environment.get(name)),
        byte_code_folder(subject.environment).parent.parent,
        subject.environment,
    )
