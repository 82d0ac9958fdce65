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
from veristep.supervise.tell import Teller

# One thing that goes wrong over and over is told so often, and counted after that.
MOST_FINDINGS = 1000
_BEYOND_TELLING = (Action.PAUSE, Action.STOP, Action.BLOCK)
_WHAT_THEN = {
    Action.PAUSE: "the policy holds the run: veristep resume {}",
    Action.STOP: "the policy ends the run",
}
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
        self._acting: list[tuple[Finding, Action]] = []
        self._teller = Teller(subject.policy.tell, gap)
        self._affected = Affected(subject.ledger, subject.run, AFFECTED_SECONDS)
        self._checks: list[Check] = []
        for maker in makers:
            self._try(getattr(maker, "name", repr(maker)), partial(self._make, maker))

    def before(self) -> Finding | None:
        """Have every check look before the command starts; return what a policy lets no run start with."""
        for check in self._checks:
            self._take(check.name, check.before)
        refusing = (Action.BLOCK, Action.STOP)
        return next((each for each, action in self._acting if action in refusing), None)

    @property
    def quiet(self) -> bool:
        """Whether the job's terminal is to show nothing of findings."""
        return self._subject.policy.tell.quiet

    def wanted(self) -> list[tuple[Finding, Action]]:
        """Return, once, the findings because of which the run is to be held or ended."""
        found, self._acting = self._acting, []
        return [(each, action) for each, action in found if action is not Action.BLOCK]

    def add(self, name: str, found: Callable[[], Iterable[Finding]]) -> None:
        """Take in what was found by other means than a check."""
        self._take(name, found)

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
        self._try("tell", self._teller.look)

    def finish(self) -> dict[str, Json]:
        """Have every check look a last time; return the line of the log that says what was checked."""
        for check in self._checks:
            self._take(check.name, check.finish)
        self._try("tell", self._teller.finish)
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
            if mine.severity is not Severity.INFO:
                self._act(mine, policy.action(mine.rule))

    def _act(self, finding: Finding, action: Action) -> None:
        """Tell of a finding, and remember what the policy wants done about it."""
        if action in _BEYOND_TELLING:
            self._acting.append((finding, action))
        if action is Action.RECORD:
            return
        self._teller.about(finding)
        if not self._subject.policy.tell.quiet:
            run = finding.run
            what = _WHAT_THEN.get(action, "training goes on").format(run)
            complain(
                f"{finding.severity.value}[{finding.rule}]: run {run}: {finding.summary}; "
                f"look: veristep show {run}; {what}"
            )


def _collect(drafts: list[Draft], check: Check, last: bool) -> None:
    drafts += check.entries(last=last)


def _cover(coverage: dict[str, Json], check: Check) -> None:
    tallies: dict[str, Json] = {name: tally.to_json() for name, tally in check.coverage().items()}
    if tallies:
        coverage[check.name] = tallies
