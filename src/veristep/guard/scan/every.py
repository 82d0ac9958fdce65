"""The rules of the scanner, and how what it saw becomes findings."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from veristep.core.checks import CheckResult, Tally, judge
from veristep.core.verdicts import Finding, Severity, Suspect
from veristep.guard import suspects
from veristep.guard.rule import Rule
from veristep.guard.scan import (
    container,
    damaged,
    embedded,
    escape,
    external,
    header,
    limit,
    misnamed,
    native,
    patches,
    remote,
    runs,
    script,
    template,
    trailing,
    unlisted,
    unscanned,
)
from veristep.scan.seen import Outcome, Report, Seen, Sort

_MODULES = (
    container,
    damaged,
    embedded,
    escape,
    external,
    header,
    limit,
    misnamed,
    native,
    patches,
    remote,
    runs,
    script,
    template,
    trailing,
    unlisted,
    unscanned,
)
BY_SORT: dict[Sort, Rule] = {module.SORT: module.RULE for module in _MODULES}
# How a finding counts follows from what the scan made of it: one rule can see worse and better.
_SEVERITY = {Outcome.DENY: Severity.ERROR, Outcome.UNKNOWN: Severity.WARNING, Outcome.ALLOW: Severity.INFO}
_HOW = "loading it would do this"


def findings(report: Report) -> list[Finding]:
    """Return what was seen in a file as findings, the worst first."""
    order = list(Outcome)
    seen = sorted(report.seen, key=lambda each: -order.index(each.outcome))
    whose = suspects.of_file(Path(report.path), how=_HOW) if report.outcome is Outcome.DENY else ()
    return [_finding(report, each, whose) for each in seen]


def _finding(report: Report, seen: Seen, whose: tuple[Suspect, ...]) -> Finding:
    return BY_SORT[seen.sort].finding(
        f"{report.path}{f' ({seen.place})' if seen.place else ''}: {seen.text}",
        suspects=whose if seen.outcome is Outcome.DENY else (),
        severity=_SEVERITY[seen.outcome],
        path=report.path,
        place=seen.place,
        detail=seen.detail,
        kind=report.kind,
        outcome=seen.outcome.value,
    )


def result(reports: Iterable[Report]) -> CheckResult:
    """Return the result of a scan: a file that is not known to be harmless is not checked."""
    found: list[Finding] = []
    total = checked = 0
    doubts: dict[str, int] = {}
    for report in reports:
        total += 1
        found += findings(report)
        if report.outcome is Outcome.UNKNOWN:
            why = next(each.text for each in report.seen if each.outcome is Outcome.UNKNOWN)
            doubts[why] = doubts.get(why, 0) + 1
        else:
            checked += 1
    return judge({"files": Tally(total, checked, doubts)}, found)
