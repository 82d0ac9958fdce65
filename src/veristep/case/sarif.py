"""Results as SARIF 2.1.0, for the tools that collect findings.

Source of the format: OASIS, *Static Analysis Results Interchange Format (SARIF) Version 2.1.0 Plus Errata
01*, 2023. A finding is a ``result`` at a logical location: run, rank, step, tensor. What was asked
for and not checked is a ``notification`` of the invocation, so that a log without results is never mistaken
for a clean one; verdict and coverage stand in the properties of the run.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from veristep import __version__
from veristep.case.measured import in_words, measured
from veristep.case.rules import page
from veristep.case.wording import plain
from veristep.core.canonical import Json
from veristep.core.checks import CheckResult
from veristep.core.verdicts import Coverage, Finding, Result, Severity, Verdict
from veristep.errors import ExitStatus, VeristepError

SCHEMA = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
_LEVELS = {Severity.INFO: "note", Severity.WARNING: "warning", Severity.ERROR: "error"}
_STATUSES = {
    ExitStatus.CLEAN: "checked and clean",
    ExitStatus.FINDINGS: "findings",
    ExitStatus.USAGE: "the request makes no sense as asked",
    ExitStatus.INCOMPLETE: "something asked for could not be checked",
    ExitStatus.FAILED: "Veristep itself failed",
}
_NOTIFICATIONS = {
    "not-checked": "Something asked for, or on record, was not checked.",
    "error": "The command ended with an error.",
}


@dataclass(frozen=True, slots=True)
class Invocation:
    """How a command came to its result.

    Attributes:
        command: its name.
        status: the exit status it ends with.
        subject: what it looked at: a run, or a file.
        uri: the file it looked at, as a URI; empty for a run.
        began, ended: when, RFC 3339 in UTC.
        properties: what else the result rests on.
    """

    command: str
    status: int
    subject: str = ""
    uri: str = ""
    began: str = ""
    ended: str = ""
    properties: Mapping[str, Json] = field(default_factory=dict)


def log(
    result: Result | CheckResult | None, invocation: Invocation, error: VeristepError | None = None
) -> dict[str, Json]:
    """Return a SARIF log of one run of the tool; `error` is why there is no result."""
    findings = result.findings if result is not None else ()
    rules = sorted({finding.rule for finding in findings})
    places = _Places()
    results: list[Json] = [_result(each, rules, places, invocation.uri) for each in findings]
    run: dict[str, Json] = {
        "tool": {"driver": _driver(rules)},
        "automationDetails": {"id": f"veristep/{invocation.command}/{invocation.subject}"},
        "invocations": [_invocation(result, invocation, error)],
        "columnKind": "utf16CodeUnits",
        "logicalLocations": places.found,
        "results": results,
        "properties": _properties(result, invocation),
    }
    return {"$schema": SCHEMA, "version": "2.1.0", "runs": [run]}


def _driver(rules: Sequence[str]) -> dict[str, Json]:
    notifications: list[Json] = [
        {"id": name, "shortDescription": {"text": text}} for name, text in _NOTIFICATIONS.items()
    ]
    return {
        "name": "Veristep",
        "version": __version__,
        "rules": [_rule(each) for each in rules],
        "notifications": notifications,
    }


def _rule(rule: str) -> dict[str, Json]:
    known = page(rule)
    described: dict[str, Json] = {
        "id": rule,
        "shortDescription": {"text": known.title},
        "fullDescription": {"text": known.summary},
        "defaultConfiguration": {"level": "error"},
    }
    if known.text:
        described["help"] = {"text": known.text, "markdown": known.text}
    return described


def _result(finding: Finding, rules: Sequence[str], places: _Places, uri: str) -> dict[str, Json]:
    logical = places.of(finding)
    location: dict[str, Json] = {"logicalLocations": logical} if logical else {}
    physical = _physical(finding, uri)
    if physical:
        location["physicalLocation"] = physical
    sizes = measured(finding.evidence)
    text = plain(finding.summary) + (f"; {plain(in_words(sizes))}" if sizes else "")
    return {
        "ruleId": finding.rule,
        "ruleIndex": rules.index(finding.rule),
        "kind": "fail",
        "level": _LEVELS[finding.severity],
        "message": {"text": text},
        "locations": [location],
        "partialFingerprints": {"veristep/v1": _fingerprint(finding)},
        "properties": {
            "run": finding.run,
            "rank": finding.rank,
            "step": finding.step,
            "suspects": [each.to_json() for each in finding.suspects],
            "evidence": dict(finding.evidence),
        },
    }


def _physical(finding: Finding, uri: str) -> dict[str, Json]:
    """Return the file a finding is in: the one it names itself, else the one that was looked at."""
    path, line = finding.evidence.get("path"), finding.evidence.get("line")
    if isinstance(path, str) and path.startswith("/"):
        uri = Path(path).as_uri()
    if not uri:
        return {}
    place: dict[str, Json] = {"artifactLocation": {"uri": uri}}
    if isinstance(line, int) and line > 0:
        place["region"] = {"startLine": line}
    return place


def _fingerprint(finding: Finding) -> str:
    """Return what tells a finding from others, whatever was measured of it and whoever found it again."""
    evidence = finding.evidence
    parts = [finding.rule, finding.run, finding.rank, finding.step, evidence.get("what")]
    parts += [evidence[name] for name in ("path", "line") if name in evidence]
    return hashlib.sha256("\0".join(map(str, parts)).encode()).hexdigest()


class _Places:
    """The logical locations of a log, each listed once under the one that holds it."""

    def __init__(self) -> None:
        self.found: list[Json] = []
        self._known: dict[str, int] = {}

    def of(self, finding: Finding) -> list[Json]:
        """Return where a finding is: the narrowest place that is known."""
        path = [("run", f"run {finding.run}")] if finding.run else []
        if finding.rank is not None:
            path.append(("rank", f"rank {finding.rank}"))
        if finding.step is not None:
            path.append(("step", f"step {finding.step}"))
        tensors = finding.evidence.get("tensors")
        if isinstance(tensors, (list, tuple)) and tensors:
            path.append(("tensor", plain(tensors[0])))
        index, name = -1, ""
        for kind, step in path:
            name = f"{name}/{step}" if name else step
            index = self._index(name, step, kind, index)
        return [{"index": index, "fullyQualifiedName": name, "kind": path[-1][0]}] if path else []

    def _index(self, name: str, last: str, kind: str, parent: int) -> int:
        if name not in self._known:
            place: dict[str, Json] = {"name": last, "fullyQualifiedName": name, "kind": kind}
            if parent >= 0:
                place["parentIndex"] = parent
            self._known[name] = len(self.found)
            self.found.append(place)
        return self._known[name]


def _invocation(
    result: Result | CheckResult | None, invocation: Invocation, error: VeristepError | None
) -> dict[str, Json]:
    status = ExitStatus(invocation.status)
    done: dict[str, Json] = {
        # What was asked for could be done: whether or not that showed something.
        "executionSuccessful": status in (ExitStatus.CLEAN, ExitStatus.FINDINGS) and error is None,
        "exitCode": int(status),
        "exitCodeDescription": _STATUSES[status],
        "toolExecutionNotifications": list(_notifications(result, error)),
    }
    if invocation.began:
        done["startTimeUtc"] = invocation.began
    if invocation.ended:
        done["endTimeUtc"] = invocation.ended
    return done


def _notifications(result: Result | CheckResult | None, error: VeristepError | None) -> Iterable[Json]:
    if error is not None:
        hint = f"; {error.hint}" if error.hint else ""
        yield _notification("error", "error", error.message + hint)
    if result is None:
        return
    if result.verdict in (Verdict.UNVERIFIED, Verdict.NOT_COVERED):
        yield _notification("not-checked", "warning", f"{result.verdict.value}: {result.reason}")
    if isinstance(result, Result):
        yield from _steps_not_checked(result.coverage)
        return
    for name, tally in result.coverage.items():
        for reason, count in tally.not_checked.items():
            yield _notification("not-checked", "warning", f"{count} {name} not checked: {reason}")


def _steps_not_checked(coverage: Coverage) -> Iterable[Json]:
    for reason, count in coverage.not_checked.items():
        yield _notification("not-checked", "warning", f"{count} steps not checked: {reason}")
    for condition, outcomes in coverage.conditions.items():
        for outcome, count in outcomes.items():
            if outcome != "checked":
                text = f"{condition} of {count} steps taken as recorded: {outcome}"
                yield _notification("not-checked", "note", text)
    if coverage.in_noise:
        text = f"{coverage.in_noise} steps were compared within rounding noise only, not bit for bit"
        yield _notification("not-checked", "note", text)
    left = coverage.steps - coverage.steps_checked - sum(coverage.not_checked.values())
    if left > 0:
        yield _notification("not-checked", "note", f"{left} of {coverage.steps} steps were not asked for")


def _notification(name: str, level: str, text: str) -> Json:
    return {"descriptor": {"id": name}, "level": level, "message": {"text": plain(text)}}


def _properties(result: Result | CheckResult | None, invocation: Invocation) -> dict[str, Json]:
    judged: dict[str, Json] = {"subject": invocation.subject, **invocation.properties}
    if result is not None:
        judged |= {
            "verdict": result.verdict.value,
            "reason": result.reason,
            "coverage": result.to_json()["coverage"],
        }
    return judged
