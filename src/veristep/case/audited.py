"""Which steps of a run the audits in its ledger speak of, and what they say."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from veristep.case.overview import as_verdict
from veristep.case.wording import plain
from veristep.core.canonical import decode_object
from veristep.core.verdicts import Finding, Severity, Suspect, Verdict
from veristep.errors import MalformedError, VeristepError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from typing import Any

    from veristep.case.overview import AuditMark
    from veristep.ledger.entries import Entry
    from veristep.ledger.log import Ledger
    from veristep.replay.plan.intervals import Interval


class Standing(StrEnum):
    """What is known of a stretch of steps; `UNAUDITED` when nobody looked."""

    VIOLATED = "violated"
    VERIFIED = "verified"
    UNVERIFIED = "unverified"
    UNAUDITED = "not audited"


# One violated replay is not made good by a clean one, and a clean one outweighs one that failed.
_WEIGHT = {
    Verdict.VIOLATED: 3,
    Verdict.VERIFIED: 2,
    Verdict.UNVERIFIED: 1,
    Verdict.NOT_COVERED: 0,
}
_STANDINGS = {
    3: Standing.VIOLATED,
    2: Standing.VERIFIED,
    1: Standing.UNVERIFIED,
    0: Standing.UNAUDITED,
}


@dataclass(frozen=True, slots=True)
class Judgement:
    """What one audit said of one interval."""

    start: int
    stop: int
    verdict: Verdict
    reason: str


@dataclass(frozen=True, slots=True)
class Span:
    """Adjoining steps of the same standing."""

    start: int
    stop: int
    standing: Standing
    intervals: int
    reason: str = ""


def judgements(ledger: Ledger, audits: Iterable[AuditMark]) -> tuple[list[Judgement], list[str]]:
    """Return what the audits said, interval by interval, and which of them cannot be read."""
    found: list[Judgement] = []
    unreadable: list[str] = []
    for audit in audits:
        try:
            found += _judged(decode_object(ledger.objects.read(audit.details)))
        except VeristepError as error:
            unreadable.append(f"audit of entry {audit.index}: {error.message}")
    return found, unreadable


def spans(intervals: Sequence[Interval], judged: Iterable[Judgement]) -> list[Span]:
    """Return the run's intervals with their standing, adjoining equal ones joined."""
    weights: dict[tuple[int, int], tuple[int, str]] = {}
    for each in judged:
        key, weight = (each.start, each.stop), _WEIGHT[each.verdict]
        if weight >= weights.get(key, (0, ""))[0]:
            weights[key] = (weight, each.reason)
    found: list[Span] = []
    for interval in intervals:
        weight, reason = weights.get((interval.start, interval.stop), (0, ""))
        span = Span(interval.start, interval.stop, _STANDINGS[weight], 1, reason)
        last = found[-1] if found else None
        if last and (last.stop, last.standing, last.reason) == (
            span.start,
            span.standing,
            span.reason,
        ):
            found[-1] = Span(last.start, span.stop, span.standing, last.intervals + 1, span.reason)
        else:
            found.append(span)
    return found


def counts(found: Iterable[Span]) -> dict[Standing, int]:
    """Return how many intervals have each standing."""
    result = dict.fromkeys(Standing, 0)
    for span in found:
        result[span.standing] += span.intervals
    return result


def finding(entry: Entry) -> Finding:
    """Return what a ``finding.raised`` entry says."""
    body: Mapping[str, Any] = entry.body
    suspects = body.get("suspects")
    evidence = body.get("evidence")
    return Finding(
        rule=plain(body.get("rule")),
        severity=_severity(body.get("severity")),
        summary=plain(body.get("summary")),
        run=entry.run,
        rank=_number(body.get("rank")),
        step=_number(body.get("step")),
        suspects=tuple(
            Suspect(plain(s.get("what")), plain(s.get("value")), plain(s.get("how_known")))
            for s in (suspects if isinstance(suspects, (list, tuple)) else ())
            if isinstance(s, Mapping)
        ),
        evidence=evidence if isinstance(evidence, Mapping) else {},
    )


def _judged(details: Mapping[str, Any]) -> list[Judgement]:
    rows = details.get("judged")
    if not isinstance(rows, (list, tuple)):
        raise MalformedError("its details hold no verdict per interval")
    found = []
    for row in rows:
        match row:
            case [int(start), int(stop), str(verdict), str(reason)]:
                found.append(Judgement(start, stop, as_verdict(verdict), plain(reason)))
            case _:
                raise MalformedError(f"not the verdict on an interval: {row!r}")
    return found


def _severity(value: object) -> Severity:
    try:
        return Severity(str(value))
    except ValueError:
        return Severity.ERROR


def _number(value: object) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) else None
