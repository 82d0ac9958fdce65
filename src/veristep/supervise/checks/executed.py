"""What a run's processes executed, compared with the sources it is said to come from."""

from __future__ import annotations

import contextlib
import json
import os
import queue
import threading
import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from veristep.core.checks import Tally
from veristep.core.verdicts import Finding
from veristep.guard.env import ran_otherwise
from veristep.guard.env.executed import NOTES
from veristep.guard.env.ran_otherwise import Outcome, Ran
from veristep.guard.policy import Action
from veristep.supervise.boot import byte_code_folder
from veristep.supervise.checks.protocol import Check, Subject
from veristep.supervise.env.compiler import Compiler, Interpreter
from veristep.supervise.env.imports import Build

# How long the end of a run may wait for the rest.
FINISH_SECONDS = 3.0
_READ_BYTES = 1 << 22
_JUDGED = (Outcome.SAME, Outcome.OTHER)


class Executed(Check):
    """The body of every module, by digest."""

    name = "executed"

    def __init__(self, subject: Subject) -> None:
        self._off = subject.policy.action(ran_otherwise.RULE.id) is Action.OFF
        self._place = Path(subject.boot) / NOTES
        self._cache = byte_code_folder(subject.environment).parent.parent
        self._boot = str(subject.boot)
        self._imports = subject.imports
        self._offset = 0
        self._interpreters: dict[int, Interpreter] = {}
        self._seen: set[tuple[str, str, int]] = set()
        self._open = 0
        self._outcomes: Counter[Outcome] = Counter()
        self._told: set[tuple[str, str]] = set()
        self._waiting: queue.SimpleQueue[tuple[Ran, Interpreter]] = queue.SimpleQueue()
        self._done: queue.SimpleQueue[tuple[Outcome, Finding | None]] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None
        self._stopped = threading.Event()

    def before(self) -> list[Finding]:
        """Lay out the file that processes write their notes into, unless a policy wants none."""
        if not self._off:
            self._place.touch(mode=0o600)
        return []

    def look(self) -> list[Finding]:
        """Take new notes, and tell what came of earlier ones."""
        if not self._off:
            self._read()
        return self._drain()

    def finish(self) -> list[Finding]:
        """Wait a limited time for the rest."""
        found = self.look()
        deadline = time.monotonic() + FINISH_SECONDS
        while self._open and time.monotonic() < deadline:
            time.sleep(0.01)
            found += self._drain()
        self._stopped.set()
        self._outcomes[Outcome.NO_TIME] += self._open
        return found

    def coverage(self) -> Mapping[str, Tally]:
        """Return how many modules were compared."""
        total, checked = self._outcomes.total(), sum(self._outcomes[each] for each in _JUDGED)
        missing = {
            each.value: count for each, count in self._outcomes.items() if each not in _JUDGED and count
        }
        return {"modules": Tally(total, checked, missing)} if total else {}

    def _read(self) -> None:
        with self._place.open("rb") as file:
            file.seek(self._offset)
            data = file.read(_READ_BYTES)
        data = data[: data.rfind(b"\n") + 1]
        self._offset += len(data)
        for text in data.splitlines():
            with contextlib.suppress(ValueError, TypeError, KeyError):
                self._take(json.loads(text))

    def _take(self, note: object) -> None:
        if isinstance(note, dict):
            self._interpreters[int(note["by"])] = Interpreter(
                str(note["executable"]), str(note["version"]), int(note["optimize"]), str(note["cwd"])
            )
            return
        assert isinstance(note, list)
        by, path, digest, time_ns, maker = note
        interpreter = self._interpreters[int(by)]
        key = (str(path), str(digest), interpreter.optimize)
        if key in self._seen or str(path).startswith(self._boot):
            return
        self._seen.add(key)
        self._imported(key, interpreter)
        self._open += 1
        self._waiting.put((Ran(str(path), str(digest), int(time_ns), str(maker)), interpreter))
        if self._thread is None:
            self._thread = threading.Thread(target=self._compare, name="veristep-executed", daemon=True)
            self._thread.start()

    def _imported(self, key: tuple[str, str, int], interpreter: Interpreter) -> None:
        path, digest, optimize = key
        place = os.path.normpath(os.path.join(interpreter.cwd, path))  # noqa: PTH118
        self._imports.module(Build(interpreter.version, optimize), place, digest if place == path else "")

    def _drain(self) -> list[Finding]:
        found: list[Finding] = []
        with contextlib.suppress(queue.Empty):
            while True:
                outcome, finding = self._done.get_nowait()
                self._open -= 1
                self._outcomes[outcome] += 1
                if finding is not None and self._is_new(finding):
                    found.append(finding)
        return found

    def _is_new(self, finding: Finding) -> bool:
        """Whether it was not told yet: of one maker the first module stands for all."""
        maker = next((each.value for each in finding.suspects if each.what == "maker"), "")
        key = ("maker", maker) if maker else (finding.summary, "")
        new = key not in self._told
        self._told.add(key)
        return new

    def _compare(self) -> None:
        with contextlib.suppress(OSError):
            os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), 19)
        compilers: dict[tuple[str, int], Compiler] = {}
        try:
            while not self._stopped.is_set():
                with contextlib.suppress(queue.Empty):
                    ran, by = self._waiting.get(timeout=1.0)
                    key = (by.version, by.optimize)
                    compiler = compilers.get(key) or compilers.setdefault(key, Compiler(by, self._cache))
                    self._done.put(_judged(ran, by, compiler))
        finally:
            for each in compilers.values():
                each.close()


def _judged(ran: Ran, by: Interpreter, compiler: Compiler) -> tuple[Outcome, Finding | None]:
    place = Path(by.cwd) / ran.path
    compiled = compiler.compiled(place, ran.path)
    named = replace(ran, path=str(place))
    if compiled.digest:
        outcome = Outcome.SAME if compiled.digest == ran.digest else Outcome.OTHER
    else:
        outcome = Outcome.NO_SOURCE if ran.maker and compiled.why is Outcome.GONE else compiled.why
    return outcome, ran_otherwise.of(named, outcome, compiled.digest, _changed_ns(place))


def _changed_ns(place: Path) -> int:
    try:
        return place.stat().st_ctime_ns
    except OSError:
        return 0
