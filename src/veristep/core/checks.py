"""Results of checks that are not about steps: files, distributions, loads.

A check counts what it was asked about, says of everything it did not check why not, and draws its verdict
from both: what was not checked is never shown as fine.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from veristep.core.canonical import Json
from veristep.core.verdicts import SCHEMA, Finding, Severity, Verdict
from veristep.errors import ExitStatus

_ORDER = (Severity.INFO, Severity.WARNING, Severity.ERROR)


@dataclass(frozen=True, slots=True)
class Tally:
    """How much of one kind of thing was checked.

    Attributes:
        total: how many there are.
        checked: how many of them were checked, whatever came of it.
        not_checked: why the others were not, each reason with its number.
    """

    total: int = 0
    checked: int = 0
    not_checked: Mapping[str, int] = field(default_factory=dict)

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Tally:
        """Return a tally from its JSON form.

        Raises:
            KeyError, TypeError, ValueError: it is none.
        """
        missing = {str(why): int(count) for why, count in dict(value["not_checked"]).items()}
        return cls(int(value["total"]), int(value["checked"]), missing)

    def to_json(self) -> dict[str, Json]:
        """Return the JSON form."""
        return {"total": self.total, "checked": self.checked, "not_checked": dict(self.not_checked)}


@dataclass(frozen=True, slots=True)
class CheckResult:
    """The verdict of a check with what it covers and what it found.

    Attributes:
        verdict: what can be said.
        coverage: by what was counted (``files``, ``distributions``).
        reason: why the verdict is not a clean one, or what a clean one takes as given.
        findings: what is wrong, or worth telling.
    """

    verdict: Verdict
    coverage: Mapping[str, Tally]
    reason: str = ""
    findings: tuple[Finding, ...] = ()

    def to_json(self) -> dict[str, Json]:
        """Return the JSON form, schema `SCHEMA`."""
        return {
            "schema": SCHEMA,
            "verdict": self.verdict.value,
            "reason": self.reason,
            "coverage": {name: tally.to_json() for name, tally in self.coverage.items()},
            "findings": [finding.to_json() for finding in self.findings],
        }


def judge(coverage: Mapping[str, Tally], findings: Iterable[Finding], *, reason: str = "") -> CheckResult:
    """Return the result of a check.

    A finding that is an error violates; otherwise what was not checked leaves the whole unverified, and
    nothing checked at all is not covered. Warnings and notes do not change the verdict.
    """
    found = tuple(findings)
    worst = [each for each in found if each.severity is Severity.ERROR]
    missing = _missing(coverage)
    if worst:
        more = f" and {len(worst) - 1} more" if len(worst) > 1 else ""
        return CheckResult(Verdict.VIOLATED, coverage, reason or worst[0].summary + more, found)
    if not any(tally.checked for tally in coverage.values()):
        return CheckResult(Verdict.NOT_COVERED, coverage, reason or missing or "there was nothing", found)
    if missing:
        return CheckResult(Verdict.UNVERIFIED, coverage, reason or missing, found)
    return CheckResult(Verdict.VERIFIED, coverage, reason, found)


def exit_status(result: CheckResult, fail_on: Severity = Severity.ERROR) -> ExitStatus:
    """Return the exit status a command with this result ends with.

    Args:
        result: of the check.
        fail_on: the lowest severity of a finding that makes the command fail.
    """
    if any(_ORDER.index(each.severity) >= _ORDER.index(fail_on) for each in result.findings):
        return ExitStatus.FINDINGS
    if result.verdict in (Verdict.UNVERIFIED, Verdict.NOT_COVERED):
        return ExitStatus.INCOMPLETE
    return ExitStatus.CLEAN


def _missing(coverage: Mapping[str, Tally]) -> str:
    reasons: Sequence[str] = [
        f"{count} {name} not checked: {why}"
        for name, tally in coverage.items()
        for why, count in tally.not_checked.items()
        if count
    ]
    more = f", and {len(reasons) - 1} other reasons" if len(reasons) > 1 else ""
    return reasons[0] + more if reasons else ""
