"""The code a run starts from: its repository against the commit and the last run, and what it imports."""

from __future__ import annotations

import contextlib
import json
import os
import threading
from collections.abc import Mapping
from pathlib import Path

import veristep
from veristep.core.checks import Tally
from veristep.core.verdicts import Finding
from veristep.guard.code import hidden, submodule, uncommitted
from veristep.guard.env.executed import NOTES as EXECUTED
from veristep.record.reads import READ
from veristep.supervise.checks.protocol import Check, Subject
from veristep.supervise.notes import Notes
from veristep.supervise.repository import history, state
from veristep.supervise.repository.imported import Imported
from veristep.supervise.repository.state import RepositoryState

FINISH_SECONDS = 10.0
_CONFIGURATION = (".yaml", ".yml", ".toml", ".json", ".ini", ".cfg", ".conf", ".gin", ".env")
_READ_BYTES = 64 << 20
NO_REPOSITORY = "there is no git repository, or git refuses it"


class CodeCheck(Check):
    """Looks at the repository once, on a thread, and at the run's end at what was imported."""

    name = "code"

    def __init__(self, subject: Subject) -> None:
        self._subject = subject
        self._thread: threading.Thread | None = None
        self._found: list[Finding] = []
        self._error: Exception | None = None
        self._state: RepositoryState | None = None
        self._looked = False
        self._modules = 0
        self._configured: set[str] = set()
        self._notes = Notes(subject.boot, (READ,))

    def look(self) -> list[Finding]:
        """Return what was found of the repository."""
        self._start()
        self._take_notes()
        if self._error is not None:
            raise self._error
        if not self._looked:
            return []
        found, self._found = self._found, []
        return found

    def finish(self) -> list[Finding]:
        """Wait a limited time for the repository, and look at what was imported."""
        self._start()
        assert self._thread is not None
        self._thread.join(FINISH_SECONDS)
        return [*self.look(), *self._imported()]

    def coverage(self) -> Mapping[str, Tally]:
        """Return what was compared with the commit, and how many modules were looked at."""
        found = {}
        if self._state is not None:
            total, left = len(self._state.tracked), self._state.not_compared
            why = {"too large, or cannot be read": left} if left else {}
            found["tracked files"] = Tally(total, total - left, why)
        elif self._looked:
            found["repositories"] = Tally(1, 0, {NO_REPOSITORY: 1})
        if self._modules:
            found["modules"] = Tally(self._modules, self._modules)
        return found

    def _start(self) -> None:
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="veristep-code", daemon=True)
            self._thread.start()

    def _run(self) -> None:
        with contextlib.suppress(OSError):
            os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), 19)
        try:
            self._repository()
        except Exception as error:  # noqa: BLE001 - boundary: it is raised where it is heard
            self._error = error

    def _repository(self) -> None:
        found: list[Finding] = []
        before, now = history.last(self._subject.ledger, self._subject.run)
        looked = state.look(self._subject.root)
        if before is not None:
            found += history.changes(self._subject.root, before, now)
        if looked is not None:
            for edit in looked.edits:
                if edit.hidden:
                    place = f"{looked.root}/{edit.path}"
                    found.append(
                        hidden.finding(
                            place, edit.hidden, blob=edit.blob, now=edit.now or "none", own=edit.own
                        )
                    )
            for path, expected, got in looked.submodules:
                found.append(submodule.finding(f"{looked.root}/{path}", expected, got))
        self._state = looked
        self._found += found
        self._looked = True

    def _take_notes(self) -> None:
        for note in self._notes.new():
            if note.path.endswith(_CONFIGURATION):
                self._configured.add(note.path)

    def _imported(self) -> list[Finding]:
        tracked = self._state.tracked if self._state is not None and self._state.commit else None
        root = str(self._subject.root)
        paths, folders = _executed(self._subject)
        ours = (str(Path(veristep.__file__).parent), str(self._subject.boot))
        imported = Imported(root, frozenset({root, str(self._subject.cwd), *folders}), tracked, ours)
        imported.take(paths)
        self._modules = len(imported.seen)
        found = imported.findings()
        edited = [each.path for each in self._state.edits if not each.hidden] if self._state else []
        untracked = [*imported.untracked(), *self._untracked_configuration(tracked)]
        if edited or untracked:
            found.append(uncommitted.finding(root, edited, untracked))
        return found

    def _untracked_configuration(self, tracked: frozenset[str] | None) -> list[str]:
        if tracked is None:
            return []
        prefix = f"{self._subject.root}/"
        names = [path.removeprefix(prefix) for path in self._configured if path.startswith(prefix)]
        return sorted(name for name in names if name not in tracked)


def _executed(subject: Subject) -> tuple[list[str], set[str]]:
    """Return the paths of executed modules, and the folders of the scripts among the command's words."""
    folders = set()
    for word in subject.command:
        if word.endswith(".py"):
            folders.add(os.path.dirname(os.path.join(subject.cwd, word)))  # noqa: PTH118, PTH120
    try:
        with (Path(subject.boot) / EXECUTED).open("rb") as file:
            data = file.read(_READ_BYTES)
    except OSError:
        return [], folders
    found, places = [], {}
    for line in data.splitlines():
        with contextlib.suppress(ValueError, TypeError, KeyError, IndexError):
            note = json.loads(line)
            if isinstance(note, dict):
                places[note["by"]] = str(note["cwd"])
            else:
                found.append(os.path.normpath(os.path.join(places.get(note[0], "/"), str(note[1]))))  # noqa: PTH118
    return found, folders
