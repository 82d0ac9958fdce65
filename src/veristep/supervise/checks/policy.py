"""The policy of a run: what it starts with, and that nobody changes it meanwhile without a trace."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from difflib import unified_diff
from pathlib import Path

from veristep.core.canonical import Json
from veristep.core.checks import Tally
from veristep.core.verdicts import Finding
from veristep.errors import UsageError
from veristep.guard import policy
from veristep.guard.log import ignore_expired, policy_changed
from veristep.ledger.entries import Draft
from veristep.supervise.checks.protocol import Check, Subject

LOOK_SECONDS = 5.0
STARTED, CHANGED = "policy.started", "policy.changed"
_MOST_BYTES = 1 << 20
_MOST_LINES = 40
_NOTHING = "nothing"


class PolicyCheck(Check):
    """The file that says what is done about findings."""

    name = "policy"

    def __init__(self, subject: Subject) -> None:
        self._subject = subject
        self._place, self._text = _standing(subject)
        self._told = {(self._place, self._text)}
        self._next = 0.0
        self._looks = 0
        self._drafts = [self._draft(STARTED)]

    def before(self) -> list[Finding]:
        """Say which ignores have expired."""
        today = datetime.now(UTC).date()
        rules = self._subject.policy
        return [
            ignore_expired.finding(rules.source, each) for each in rules.ignores if each.expires < today
        ]

    def look(self) -> list[Finding]:
        """Look whether another policy stands there now."""
        now = time.monotonic()
        if now < self._next:
            return []
        self._next = now + LOOK_SECONDS
        return self._compare()

    def finish(self) -> list[Finding]:
        """Look a last time."""
        return self._compare()

    def entries(self, *, last: bool) -> list[Draft]:
        """Return what the policy was, and became."""
        del last
        drafts, self._drafts = self._drafts, []
        return drafts

    def coverage(self) -> Mapping[str, Tally]:
        """Return how often it was looked at."""
        return {"looks at the policy": Tally(self._looks, self._looks)} if self._place else {}

    def _compare(self) -> list[Finding]:
        self._looks += 1
        was = (self._place, self._text)
        now = _standing(self._subject)
        if now in self._told:
            # What was put back has been told when it was changed.
            self._place, self._text = now
            return []
        self._told.add(now)
        self._place, self._text = now
        self._drafts.append(self._draft(CHANGED))
        path = self._place or was[0]
        lines = unified_diff(was[1].splitlines(), now[1].splitlines(), "before", "now", lineterm="", n=1)
        diff = list(lines)[:_MOST_LINES]
        return [policy_changed.finding(path, _digest(*was), _digest(*now), diff)]

    def _draft(self, kind: str) -> Draft:
        subject = self._subject
        body: dict[str, Json] = {"path": self._place}
        if self._place:
            body["objects"] = {"policy": subject.ledger.objects.put(self._text.encode())}
        return Draft(kind, body, subject.run, subject.project, frozenset({"path"}))


def _standing(subject: Subject) -> tuple[str, str]:
    """Return path and text of the policy that a run started there now would have; empty for none."""
    try:
        path = policy.place(subject.cwd)
    except UsageError as error:
        return str(subject.cwd), error.message
    if path is None:
        return "", ""
    try:
        with Path(path).open("rb") as file:
            return str(path), file.read(_MOST_BYTES).decode("utf-8", "replace")
    except OSError as error:
        return str(path), f"cannot be read: {error.strerror}"


def _digest(place: str, text: str) -> str:
    return f"sha256:{hashlib.sha256(text.encode()).hexdigest()}" if place else _NOTHING
