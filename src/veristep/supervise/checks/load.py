"""Loads: hears the gates of a run's processes, and makes findings of what they tell."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from veristep.core.checks import Tally
from veristep.core.verdicts import Finding
from veristep.guard.load import (
    acts,
    compiled,
    disturbed,
    executes,
    exposed,
    learned,
    remote,
    script,
    unlisted,
    unsafe,
)
from veristep.guard.load.gate import SETTINGS_FILE
from veristep.guard.load.notice import FILE
from veristep.guard.load.told import Notice
from veristep.guard.policy import Action, Policy
from veristep.ledger.entries import Draft
from veristep.supervise.checks.protocol import Check, Subject

# What is done unless a policy says otherwise: refused is what is certainly execution.
DEFAULTS: Mapping[str, Action] = {
    executes.RULE.id: Action.BLOCK,
    unlisted.RULE.id: Action.ALERT,
    exposed.RULE.id: Action.BLOCK,
    acts.RULE.id: Action.BLOCK,
    remote.RULE.id: Action.ALERT,
    unsafe.RULE.id: Action.ALERT,
    learned.RULE.id: Action.ALERT,
    script.RULE.id: Action.BLOCK,
    compiled.RULE.id: Action.BLOCK,
}
_NAMES: Mapping[str, Callable[[Notice], Finding]] = {
    executes.RULE.id: executes.of,
    unlisted.RULE.id: unlisted.of,
    exposed.RULE.id: exposed.of,
    acts.RULE.id: acts.of,
    remote.RULE.id: remote.of,
    unsafe.RULE.id: unsafe.of,
    script.RULE.id: script.of,
    compiled.RULE.id: compiled.of,
}


def actions(policy: Policy) -> dict[str, str]:
    """Return what the gates of a run do about each rule."""
    wanted = {rule: policy.action(rule, default) for rule, default in DEFAULTS.items()}
    # What is loaded would have run by the time the run is held or ended: it is refused first.
    stronger = (Action.PAUSE, Action.STOP)
    return {rule: (Action.BLOCK if action in stronger else action).value for rule, action in wanted.items()}


def finding(notice: Notice) -> Finding | None:
    """Return the finding that what a gate told makes; None where it names no rule."""
    make = _NAMES.get(str(notice.get("rule")))
    return make(notice) if make else None


_IN_PYTHON = "the hook in Python stood: the one in C was not built"


class Loads(Check):
    """Nothing is deserialised unseen."""

    name = "loads"

    def __init__(self, subject: Subject) -> None:
        self._subject = subject
        self._directory = subject.ledger.run_dir(subject.run)
        self._read = 0
        self._processes: set[int] = set()
        self._gates: dict[int, str] = {}
        self._profile = learned.Profile()

    def before(self) -> list[Finding]:
        """Leave the gates their settings; a policy that wants nothing of them wants no gate."""
        wanted = actions(self._subject.policy)
        if all(action == Action.OFF for action in wanted.values()):
            return []
        settings = {
            "directory": str(self._directory),
            "root": str(self._subject.root),
            "actions": wanted,
            "began_ns": time.time_ns(),
        }
        place = Path(self._subject.boot) / SETTINGS_FILE
        place.write_text(json.dumps(settings), encoding="utf-8")
        self._profile = self._learned()
        return []

    def hear(self, line: Mapping[str, Any]) -> list[Finding]:
        """Make findings of what gates tell."""
        if line.get("type") != "load":
            return []
        pid, kind = line.get("peer_pid"), line.get("kind")
        if kind == "gate" and isinstance(pid, int):
            self._gates[pid] = str(line.get("gate")) if line.get("stands") else ""
            return [] if line.get("stands") else [disturbed.of(line)]
        if kind in ("failed", "disturbed"):
            return [disturbed.of(line)]
        found = [finding(line)]
        if kind in ("name", "needs"):
            found.append(self._profile.hear(line))
        return [each for each in found if each]

    def look(self) -> list[Finding]:
        """Take what gates wrote down because nobody listened."""
        found: list[Finding] = []
        try:
            with (self._directory / FILE).open("rb") as file:
                file.seek(self._read)
                data = file.read()
        except OSError:
            return found
        whole, _, _ = data.rpartition(b"\n")
        self._read += len(whole) + 1 if whole else 0
        for each in whole.split(b"\n") if whole else ():
            found += self.hear(json.loads(each))
        return found

    def finish(self) -> list[Finding]:
        """Take what was written down at the end, and leave what this run's files needed on record."""
        found = self.look()
        if self._profile.wanted:
            subject = self._subject
            subject.ledger.append(Draft(learned.ENTRY, self._profile.body(), subject.run, subject.project))
        return found

    def _learned(self) -> learned.Profile:
        """Return what the project's earlier runs needed."""
        ledger = self._subject.ledger
        project = next(ledger.entries(run=self._subject.run, kind="run.opened")).project
        runs = sum(1 for entry in ledger.entries(kind="run.closed") if entry.project == project)
        entries = (entry for entry in ledger.entries(kind=learned.ENTRY) if entry.project == project)
        return learned.Profile.of(runs, (entry.body for entry in entries))

    def coverage(self) -> Mapping[str, Tally]:
        """Return in how many processes the gate stood."""
        standing = sum(1 for gate in self._gates.values() if gate)
        missing = len(self._gates) - standing
        reasons = {"the gate does not stand": missing} if missing else {}
        found = {"processes": Tally(len(self._gates), standing, reasons)} if self._gates else {}
        native = sum(1 for gate in self._gates.values() if gate == "native")
        if native:
            found["gates in C"] = Tally(standing, native, {_IN_PYTHON: standing - native})
        return found
