"""Which other runs on record a changed file has touched already: those that imported it, by what they ran.

A run says which modules it executed, by the digest of their code, and which libraries it mapped
(`imports`). So a run that executed exactly what stands in a file now is told from one that imported the
file when it held something else. Of a run that says nothing of its imports, and of a file that is not
imported but read, only that the run started in the file's environment since can be said; and that is how it
is put.
"""

from __future__ import annotations

import json
import os
import re
import sys
import time
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path

from veristep.core.verdicts import Finding, Suspect
from veristep.errors import VeristepError
from veristep.guard.env.ran_otherwise import Outcome
from veristep.ledger.entries import Entry
from veristep.ledger.layout import RUN_FOLDER
from veristep.ledger.log import Ledger
from veristep.supervise.boot import byte_code_folder
from veristep.supervise.env import imports
from veristep.supervise.env.compiler import Compiler, Interpreter
from veristep.supervise.env.imports import Imports

MOST_RUNS = 20
RAN = "they executed the code that the file holds now"
MAPPED = "they mapped the file that stands there now"
SINCE = "they imported the file, and ended after its change time"
BEFORE = "they imported the file when it held other code"
BEFORE_LIBRARY = "they mapped another file in this place"
WAS_THERE = "they imported it while it was there"
NOT_KNOWN = "started in this environment after the file's change time; what they imported is not on record"
AT_START = "started in this environment after the file's change time; it is heeded at every start"
NOT_IMPORTED = "started in this environment after the file's change time; whether they read it is not known"

_FAMILIES = ("ENV", "CODE", "MEM")
_PREFIX = re.compile(r"(?P<prefix>.*)/lib(64)?/python3\.\d+t?/")
_START = re.compile(r".*(\.pth|\.start|/(site|user)customize\.(py|pyc|so))|.*/(site|user)customize/[^/]+")
_FIRST_BYTES = 1 << 18


@dataclass(frozen=True, slots=True)
class _Run:
    """A run that says what it imported: the object's name, and how much is in it."""

    run: str
    last_ns: int
    name: str
    modules: int
    libraries: int


@dataclass(slots=True)
class Affected:
    """Looks up runs, reading of the ledger what is needed, once.

    Attributes:
        ledger: what is on record.
        run: left out: the one that asks.
        seconds: how long looking may take in all; what there was no time for is said.
    """

    ledger: Ledger
    run: str = ""
    seconds: float = 60.0
    _runs: list[_Run] | None = None
    _opened: list[Entry] = field(default_factory=list)
    _imports: dict[str, Imports] = field(default_factory=dict)
    _uses: dict[tuple[str, str], bool] = field(default_factory=dict)
    _compilers: dict[imports.Build, Compiler] = field(default_factory=dict)
    _spent: float = 0.0

    def named(self, findings: Iterable[Finding]) -> list[Finding]:
        """Return findings with the runs that the file of each has touched."""
        try:
            return [self._named(each) for each in findings]
        finally:
            for each in self._compilers.values():
                each.close()
            self._compilers.clear()

    def _named(self, finding: Finding) -> Finding:
        path = str(finding.evidence.get("path", ""))
        if not finding.rule.startswith(_FAMILIES) or not path.startswith("/") or Path(path).is_dir():
            return finding
        began = time.monotonic()
        try:
            found = self._suspects(path, began + self.seconds - self._spent)
        except (VeristepError, OSError, ValueError):
            return finding
        finally:
            self._spent += time.monotonic() - began
        return replace(finding, suspects=(*finding.suspects, *found)) if found else finding

    def _suspects(self, path: str, deadline: float) -> list[Suspect]:
        groups: dict[str, list[str]] = {}
        left_out = 0
        imported = path.endswith(".py") or ".so" in Path(path).suffixes
        if not _START.fullmatch(path) and imported:
            for each in self._recorded():
                if time.monotonic() > deadline:
                    left_out += 1
                    continue
                how = self._touched(each, path)
                if how:
                    groups.setdefault(how, []).append(each.run)
        elif path.endswith(".pyc"):
            return []  # runs on record use byte code of their own
        groups |= self._in_environment(path, deadline, imported=imported)
        found = [_suspect(how, runs) for how, runs in groups.items() if runs]
        if left_out:
            found.append(
                Suspect("runs", f"{left_out} more", "there was no time to look: veristep env check")
            )
        return found

    def _recorded(self) -> list[_Run]:
        """Return the runs that say what they imported, the newest first."""
        if self._runs is None:
            last: dict[str, _Run] = {}
            for entry in self.ledger.entries(kind=imports.ENTRY):
                objects = entry.body.get("objects")
                name = objects.get("imports") if isinstance(objects, dict) else None
                if entry.run != self.run and isinstance(name, str):
                    counts = (int(str(entry.body.get(each, 0))) for each in ("modules", "libraries"))
                    last[entry.run] = _Run(entry.run, entry.time_ns, name, *counts)
            self._runs = sorted(last.values(), key=lambda each: -each.last_ns)
            self._opened = [each for each in self.ledger.entries(kind="run.opened") if each.run != self.run]
        return self._runs

    def _touched(self, run: _Run, path: str) -> str:
        """Return how a run was touched by a file, in words; empty when it was not."""
        if run.name not in self._imports:
            try:
                self._imports[run.name] = imports.from_bytes(self.ledger.objects.read(run.name))
            except VeristepError:
                self._imports[run.name] = Imports()  # fsck says so
        known = self._imports[run.name]
        if path in known.libraries:
            return _by_state(path, known.libraries[path], run.last_ns)
        for build, files in known.modules.items():
            if path in files:
                return self._by_code(path, files[path], build, run.last_ns)
        return ""

    def _by_code(self, path: str, digests: set[str], build: imports.Build, last_ns: int) -> str:
        if not os.path.exists(path):  # noqa: PTH110
            return WAS_THERE
        if build.version != sys.version or "" in digests:
            return SINCE if last_ns >= _changed_ns(path) else ""
        if build not in self._compilers:
            by = Interpreter(sys.executable, build.version, build.optimize, "/")
            self._compilers[build] = Compiler(by, byte_code_folder(os.environ).parent.parent)
        now = self._compilers[build].compiled(Path(path), path)
        if now.digest or now.why is Outcome.NO_CODE:
            # What does not compile cannot have run.
            return RAN if now.digest in digests else BEFORE
        return SINCE if last_ns >= _changed_ns(path) else ""

    def _in_environment(self, path: str, deadline: float, *, imported: bool) -> dict[str, list[str]]:
        match = _PREFIX.match(path)
        changed = _changed_ns(path)
        if match is None or not changed:
            return {}
        library = not path.endswith(".py")
        recorded = {each.run for each in self._recorded() if (each.libraries if library else each.modules)}
        start = bool(_START.fullmatch(path))
        how = AT_START if start else NOT_KNOWN if imported else NOT_IMPORTED
        found = []
        for entry in reversed(self._opened):
            if entry.time_ns < changed or (imported and not start and entry.run in recorded):
                continue
            if time.monotonic() > deadline:
                break
            if self._is_of(entry.run, match["prefix"]):
                found.append(entry.run)
        return {how: found}

    def _is_of(self, run: str, prefix: str) -> bool:
        key = (run, prefix)
        if key not in self._uses:
            self._uses[key] = _uses(self.ledger.path / RUN_FOLDER / run / "log", prefix)
        return self._uses[key]


def state_of(path: str) -> tuple[int, int, str]:
    """Return device and inode of a file, and its state as `Imports` has it.

    Raises:
        OSError: there is none.
    """
    found = os.stat(path)  # noqa: PTH116
    state = f"{found.st_dev} {found.st_ino} {found.st_size} {found.st_mtime_ns} {found.st_ctime_ns}"
    return found.st_dev, found.st_ino, state


def _suspect(how: str, runs: list[str]) -> Suspect:
    if how in (BEFORE, BEFORE_LIBRARY):
        # Not touched by what stands there now: how many, for whoever asks what they ran.
        return Suspect("earlier", f"{len(runs)} runs", how)
    more = f" and {len(runs) - MOST_RUNS} more" if len(runs) > MOST_RUNS else ""
    return Suspect("runs", ", ".join(sorted(runs)[-MOST_RUNS:]) + more, how)


def _by_state(path: str, state: str, last_ns: int) -> str:
    try:
        now = state_of(path)[2]
    except OSError:
        return WAS_THERE
    if not state:
        return SINCE if last_ns >= _changed_ns(path) else ""
    return MAPPED if state == now else BEFORE_LIBRARY


def _changed_ns(path: str) -> int:
    try:
        return os.lstat(path).st_ctime_ns
    except OSError:
        return 0


def _uses(log: Path, prefix: str) -> bool:
    """Whether a process of a run said that its interpreter is the environment's."""
    try:
        first = min(log.glob("*.jsonl"), default=None)
        if first is None:
            return False
        with first.open("rb") as file:
            lines = file.read(_FIRST_BYTES).splitlines()
    except OSError:
        return False
    for line in lines:
        if b'"hello"' in line:
            try:
                executable = str(json.loads(line).get("executable", ""))
            except (ValueError, AttributeError):
                continue
            if executable.startswith(prefix + "/"):
                return True
    return False
