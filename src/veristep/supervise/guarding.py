"""The checks of one run: started, fed and asked by the launcher, never in its way.

What a check finds is told once on stderr and becomes a ``finding.raised`` entry; what it could not do
becomes a gap. When the run ends, a line of its log says what was checked and what was not.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from typing import Any

from veristep.core.canonical import Json
from veristep.core.verdicts import Finding, Severity
from veristep.guard.policy import Action
from veristep.ledger.entries import Draft
from veristep.record.channel import complain
from veristep.supervise.checks.every import EVERY
from veristep.supervise.checks.protocol import Check, Maker, Subject
from veristep.supervise.env.affected import Affected

# One thing that goes wrong over and over is told so often, and counted after that.
MOST_FINDINGS = 1000
# How long all findings of a run together may look for other runs that they touch.
AFFECTED_SECONDS = 1.0


class Guarding:
    """The checks of a run and what they have found so far."""

    def __init__(
        self, subject: Subject, gap: Callable[[str, str], None], makers: Sequence[Maker] = EVERY
    ) -> None:
        """Make the checks.

        Args:
            subject: the run.
            gap: is told the name of a check and why it could not do its work.
            makers: of the checks.
        """
        self._subject = subject
        self._gap = gap
        self._found: list[Finding] = []
        self._count = 0
        self._failed: set[str] = set()
        self._spent_ns = 0
        self._affected = Affected(subject.ledger, subject.run, AFFECTED_SECONDS)
        self._checks: list[Check] = []
        for maker in makers:
            self._try(getattr(maker, "name", repr(maker)), partial(self._make, maker))

    def before(self) -> Finding | None:
        """Have every check look before the command starts; return what a policy lets no run start with."""
        for check in self._checks:
            self._take(check.name, check.before)
        policy = self._subject.policy
        blocked = (
            each
            for each in self._found
            if each.severity is not Severity.INFO and policy.action(each.rule) is Action.BLOCK
        )
        return next(blocked, None)

    def started(self, pid: int) -> None:
        """Tell every check which process the command was started as."""
        for check in self._checks:
            self._try(check.name, partial(check.started, pid))

    def ended(self, returncode: int) -> None:
        """Tell every check how the command ended."""
        for check in self._checks:
            self._try(check.name, partial(check.ended, returncode))

    def hear(self, line: Mapping[str, Any]) -> None:
        """Hand a line of the run's log to every check."""
        for check in self._checks:
            self._take(check.name, partial(check.hear, line))

    def look(self) -> None:
        """Have every check look again."""
        for check in self._checks:
            self._take(check.name, check.look)

    def finish(self) -> dict[str, Json]:
        """Have every check look a last time; return the line of the log that says what was checked."""
        for check in self._checks:
            self._take(check.name, check.finish)
        coverage: dict[str, Json] = {}
        for check in self._checks:
            self._try(check.name, partial(_cover, coverage, check))
        failed: list[Json] = [*sorted(self._failed)]
        return {
            "type": "checks",
            "coverage": coverage,
            "failed": failed,
            "findings": self._count,
            "seconds": self._spent_ns / 1e9,
        }

    def entries(self, *, last: bool = False) -> list[Draft]:
        """Return what goes into the ledger beside findings."""
        drafts: list[Draft] = []
        for check in self._checks:
            self._try(check.name, partial(_collect, drafts, check, last))
        return drafts

    def findings(self) -> list[Finding]:
        """Return, once, what was found since the last time."""
        found, self._found = self._found, []
        return found

    def _make(self, maker: Maker) -> None:
        self._checks.append(maker(self._subject))

    def _take(self, name: str, act: Callable[[], Iterable[Finding]]) -> None:
        self._try(name, lambda: self._keep(act()))

    def _try(self, name: str, act: Callable[[], Any]) -> None:
        began = time.monotonic_ns()
        try:
            act()
        except Exception as error:  # noqa: BLE001 - boundary: no check may end the supervisor, or training
            # It is asked again: who can make a check fail once must not have switched it off.
            if name not in self._failed:
                self._failed.add(name)
                self._gap(name, f"the check failed: {type(error).__name__}: {error}"[:300])
        self._spent_ns += time.monotonic_ns() - began

    def _keep(self, found: Iterable[Finding]) -> None:
        today = datetime.now(UTC).date()
        policy = self._subject.policy
        for each in self._affected.named(policy.apply(list(found), today)):
            self._count += 1
            if self._count > MOST_FINDINGS:
                continue
            mine = replace(each, run=self._subject.run)
            self._found.append(mine)
            alert = policy.action(mine.rule) is not Action.RECORD
            if alert and mine.severity is not Severity.INFO:
                complain(
                    f"{mine.severity.value}[{mine.rule}]: run {mine.run}: {mine.summary}; "
                    f"look: veristep show {mine.run}; training goes on"
                )


def _collect(drafts: list[Draft], check: Check, last: bool) -> None:
    drafts += check.entries(last=last)


def _cover(coverage: dict[str, Json], check: Check) -> None:
    tallies: dict[str, Json] = {name: tally.to_json() for name, tally in check.coverage().items()}
    if tallies:
        coverage[check.name] = tallies
