"""Judges what one run's processes noted of their memory; used by one thread."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from veristep.core.verdicts import Finding
from veristep.guard.env import layout
from veristep.guard.memory import (
    altered,
    class_changed,
    hooked,
    interpreter,
    mode,
    on_the_way,
    operator,
    otherwise,
    replaced,
    shadowed,
    thread,
)
from veristep.guard.memory.owners import Folders, Owners, Whose
from veristep.guard.memory.slots import is_critical
from veristep.guard.memory.told import Code, Found
from veristep.supervise.env.compiler import Compiler, Interpreter
from veristep.supervise.memory.clean import Clean, CleanProcesses
from veristep.supervise.memory.generated import Generated

_HANGING: Mapping[str, Callable[[Found], Finding | None]] = {
    "hook": hooked.of,
    "shadow": shadowed.of,
    "mode": mode.of,
    "operator": operator.of,
    "interpreter": interpreter.of,
    "thread": thread.of,
    "stack": on_the_way.of,
}
_NO_CLEAN = "no clean process could be asked"
_NO_NAME = "a clean process has no such name"


@dataclass(slots=True)
class Process:
    """A process of the run that trains.

    Attributes:
        pid: of it.
        rank: of it; None when it has none.
        interpreter: that runs it.
        owners: tells whose files are.
        site: folders with its installed packages.
        began_ns: when it told first.
        generated: judges what it has that was made from strings.
        loads: files it loaded that were let run something.
    """

    pid: int
    rank: int | None
    interpreter: Interpreter
    owners: Owners
    site: tuple[str, ...]
    began_ns: int
    generated: Generated
    loads: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Place:
    """Where a run's things lie.

    Attributes:
        root: of the run's own code.
        ours: Veristep's package and the run's boot directory.
        compiled: caches of compilers.
        cache: the user's, for what was compiled and asked before.
        variables: the command was started with.
    """

    root: str
    ours: tuple[str, ...]
    compiled: tuple[str, ...]
    cache: Path
    variables: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class _Waiting:
    clean: Future[Clean | None]
    found: Found
    generated: Generated
    file: str
    module: str
    path: str
    digests: tuple[str, str]


class Judge:
    """Turns notes into findings.

    Attributes:
        counts: what was compared, by what it is and what came of it.
    """

    def __init__(self, place: Place) -> None:
        self._place = place
        self._processes: dict[int, Process] = {}
        self._waiting: list[_Waiting] = []
        self._early: dict[int, list[str]] = {}
        self._compilers: dict[tuple[str, int], Compiler] = {}
        self._clean = CleanProcesses(place.cache)
        self.counts: Counter[tuple[str, str]] = Counter()

    def close(self) -> None:
        """End the processes that compile."""
        for each in self._compilers.values():
            each.close()

    def loaded(self, pid: int, path: str) -> None:
        """Learn that a process loaded a file that was let run something."""
        process = self._processes.get(pid)
        if process is not None:
            process.loads.append(path)
        else:
            self._early.setdefault(pid, []).append(path)

    def note(self, note: Mapping[str, Any]) -> Iterator[Finding]:
        """Judge one note.

        Raises:
            KeyError, TypeError, ValueError: it is none.
        """
        kind, pid = str(note["kind"]), int(note["pid"])
        if kind == "process":
            self._processes[pid] = self._process(note)
            return
        process = self._processes[pid]
        if kind == "codes":
            yield from _some(self._codes(process, note))
        elif kind == "slots":
            for path, slot in note["slots"].items():
                yield from _some(self._slot(process, str(note["module"]), str(path), slot, note))
        elif kind == "generated":
            for path, (_, codes) in note["names"].items():
                found = self._found(process, f"{note['module']}.{path}", codes, note)
                yield from _some(process.generated.judge(found, str(note["file"]), str(path)))
        elif kind == "part":
            yield from process.generated.settle()
        elif kind == "foreign":
            found = self._found(process, f"{note['module']}.{note['path']}", note["slot"][2], note)
            yield from _some(replaced.of(found))
        elif kind == "class":
            found = self._found(process, str(note["place"]), note["codes"], note)
            yield from _some(class_changed.of(found, str(note["was"]), related=bool(note["related"])))
        elif kind in _HANGING:
            found = self._found(process, str(note["place"]), note["codes"], note)
            yield from _some(_HANGING[kind](found))

    def _process(self, note: Mapping[str, Any]) -> Process:
        executable = str(note["executable"])
        by = Interpreter(executable, str(note["version"]), int(note["optimize"]), str(note["cwd"]))
        found = layout.of_executable(executable, self._place.variables)
        place = self._place
        folders = Folders(found.library, found.site, place.root, place.ours, place.compiled)
        rank = str(note.get("rank", ""))
        pid = int(note["pid"])
        return Process(
            pid,
            int(rank) if rank.isdecimal() else None,
            by,
            Owners(folders),
            found.site,
            int(note["time_ns"]),
            Generated(self.counts),
            self._early.pop(pid, []),
        )

    def _found(self, process: Process, place: str, codes: list[Any], note: Mapping[str, Any]) -> Found:
        told = tuple(self._code(process, each) for each in codes)
        strange = any(each.whose in (Whose.GENERATED, Whose.GONE) for each in told)
        loads = tuple(dict.fromkeys(process.loads)) if strange else ()
        return Found(place, told, process.pid, process.rank, int(note.get("time_ns", 0)), loads)

    @staticmethod
    def _code(process: Process, told: Any) -> Code:
        file, line, name, digest = told
        path = _absolute(process, str(file))
        return Code(path, int(line), str(name), str(digest), process.owners.of(path))

    def _codes(self, process: Process, note: Mapping[str, Any]) -> Finding | None:
        named = str(note["file"])
        path = _absolute(process, named)
        whose = process.owners.of(path)
        codes = [(str(name), int(line), str(digest)) for name, line, digest in note["codes"]]
        if whose in (Whose.GENERATED, Whose.GONE, Whose.COMPILED):
            self.counts["functions", f"their code is {whose.value}"] += len(codes)
            return None
        parts = self._compiler(process.interpreter).parts(Path(path), named)
        if parts is None:
            self.counts["functions", "their source does not compile"] += len(codes)
            return None
        self.counts["functions", ""] += len(codes)
        bad = [(path, line, name, digest) for name, line, digest in codes if digest not in parts]
        if not bad:
            return None
        found = self._found(process, f"a function of {path}", bad, note)
        changed = _changed_ns(path) > process.began_ns
        return otherwise.of(found, len(codes), changed_since=changed)

    def _slot(
        self, process: Process, module: str, path: str, slot: Any, note: Mapping[str, Any]
    ) -> Finding | None:
        digests = (str(slot[0]), str(slot[1]))
        found = self._found(process, f"{module}.{path}", slot[2], note)
        worst = found.worst
        # Of what is made from strings, as methods of data classes are, the clean process has the same.
        if worst is not None and worst.whose is not Whose.GENERATED:
            by_owner = replaced.of(found)
            if by_owner is not None:
                return by_owner
        if is_critical(module):
            future = self._clean.of(process.interpreter, process.site)
            file = str(note.get("file", ""))
            self._waiting.append(_Waiting(future, found, process.generated, file, module, path, digests))
        return None

    def settle(self) -> Iterator[Finding]:
        """Compare the names for which a clean process has answered meanwhile."""
        waiting, self._waiting = self._waiting, []
        for each in waiting:
            if not each.clean.done():
                self._waiting.append(each)
                continue
            clean = None if each.clean.exception() else each.clean.result()
            expected = clean.of_name(each.module, each.path) if clean else ()
            if not expected and each.found.worst and each.found.worst.whose is Whose.GENERATED:
                yield from _some(each.generated.judge(each.found, each.file, each.path))
                continue
            if clean is None or not expected:
                self.counts["names", _NO_NAME if clean else _NO_CLEAN] += 1
                continue
            self.counts["names", ""] += 1
            yield from _some(self._differs(each.found, clean, expected, each.digests))

    @property
    def open(self) -> int:
        """How many names wait for a clean process."""
        return len(self._waiting)

    @staticmethod
    def _differs(
        found: Found, clean: Clean, expected: tuple[tuple[str, str], ...], digests: tuple[str, str]
    ) -> Finding | None:
        if digests in expected:
            return None
        if found.worst is not None and found.worst.whose is Whose.GENERATED:
            return replaced.of(found)
        differs = all(digests[0] != code for code, _ in expected)
        stands_for = clean.names.get(digests[0], "") if differs else ""
        return altered.of(found, stands_for=stands_for, code_differs=differs)

    def _compiler(self, by: Interpreter) -> Compiler:
        key = (by.version, by.optimize)
        if key not in self._compilers:
            self._compilers[key] = Compiler(by, self._place.cache)
        return self._compilers[key]


def _absolute(process: Process, file: str) -> str:
    return file if file.startswith(("<", "/")) else os.path.normpath(f"{process.interpreter.cwd}/{file}")


def _some(finding: Finding | None) -> Iterator[Finding]:
    if finding is not None:
        yield finding


def _changed_ns(path: str) -> int:
    try:
        return os.stat(path).st_ctime_ns  # noqa: PTH116
    except OSError:
        return 0
