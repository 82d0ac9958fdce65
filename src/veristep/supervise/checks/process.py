"""The processes of a run: what makes their steps wait."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from veristep.core.checks import Tally
from veristep.core.verdicts import Finding
from veristep.guard.policy import Action
from veristep.guard.process.sampler import NOTES
from veristep.guard.process.standing import SETTINGS_FILE
from veristep.supervise.checks.protocol import Check, Subject
from veristep.supervise.process.notes import Notes
from veristep.supervise.process.stalls import Stalls
from veristep.supervise.process.whose import Owners

FAMILY = "PROC"
_UNTOLD = "the kernel does not tell what a thread waits for"
_FAILED = "the sampler failed"


class Waits(Check):
    """No code on no record makes a step wait."""

    name = "waits"

    def __init__(self, subject: Subject) -> None:
        self._subject = subject
        self._off = subject.policy.action(FAMILY) is Action.OFF
        self._notes = Notes(Path(subject.boot) / NOTES)
        self._stalls = Stalls(Owners())

    def before(self) -> list[Finding]:
        """Leave the samplers word that they are wanted."""
        if not self._off:
            place = Path(self._subject.boot) / SETTINGS_FILE
            place.write_text(json.dumps({"began_ns": time.time_ns()}), encoding="utf-8")
            self._stalls.owners = Owners.of(self._subject)
        return []

    def hear(self, line: Mapping[str, Any]) -> list[Finding]:
        """Learn which processes were given their program as text."""
        pid, argv = line.get("peer_pid"), line.get("argv")
        if line.get("type") == "hello":
            self._stalls.owners.add_standard(_standard(line))
        if line.get("type") == "hello" and isinstance(pid, int) and isinstance(argv, list):
            script = [str(word) for word in argv[1:] if not str(word).startswith("-")]
            if "-c" in argv or "-" in argv or not script:
                self._stalls.typed.add(pid)
        return []

    def look(self) -> list[Finding]:
        """Read what was noted since the last time."""
        found: list[Finding] = []
        for note in self._notes.new():
            try:
                found += self._stalls.hear(note)
            except (KeyError, TypeError, ValueError, OverflowError):
                self._notes.broken += 1
        return found

    def finish(self) -> list[Finding]:
        """Read the last notes."""
        return self.look()

    def coverage(self) -> Mapping[str, Tally]:
        """Return how many of the processes that train were watched."""
        watched = self._stalls.watched
        untold = sum(1 for each in watched.values() if not each.told)
        failed = len(self._stalls.failed.keys() & watched.keys())
        missing = {_UNTOLD: untold, _FAILED: failed}
        reasons = {why: count for why, count in missing.items() if count}
        if not watched:
            return {}
        return {
            "processes that train": Tally(len(watched), max(len(watched) - untold - failed, 0), reasons)
        }


def _standard(hello: Mapping[str, Any]) -> list[str]:
    """Return where the interpreter that says hello has its standard library."""
    version = ".".join(str(hello.get("python")).split(".")[:2])
    program = Path(os.path.realpath(str(hello.get("executable"))))
    library = program.parent.parent / "lib" / f"python{version}"
    return [str(library)] if (library / "os.py").is_file() else []
