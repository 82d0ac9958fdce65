"""What a report on a run is made from, and what it comes to."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from veristep.case import audited
from veristep.case import subject as subjects
from veristep.case.audited import Span, Standing
from veristep.case.wording import plain, plural
from veristep.core.verdicts import Verdict
from veristep.errors import TamperedError
from veristep.replay.plan.intervals import Plan, make_plan

if TYPE_CHECKING:
    from veristep.case.subject import Subject
    from veristep.ledger.log import Ledger


@dataclass(frozen=True, slots=True)
class Account:
    """What the record says of a run.

    Attributes:
        subject: the run.
        plan: its intervals; None when its log cannot be read.
        spans: the intervals by standing.
        unreadable: audits whose details are not at hand.
        made_ns: when the report is made.
        origin: the ledger's name.
        vkey: the key that verifies the ledger.
        checkpoint: the ledger's signed state when the report was made.
    """

    subject: Subject
    plan: Plan | None
    spans: tuple[Span, ...]
    unreadable: tuple[str, ...]
    made_ns: int
    origin: str
    vkey: str
    checkpoint: str


def gather(ledger: Ledger, run: str, now_ns: int) -> Account:
    """Read everything a report on a run needs.

    Raises:
        VeristepError: the ledger's own entries are damaged or were changed.
    """
    subject = subjects.read(ledger, run, now_ns)
    plan = make_plan(subject.recorded) if subject.recorded else None
    judged, unreadable = audited.judgements(ledger, subject.overview.audits)
    return Account(
        subject=subject,
        plan=plan,
        spans=tuple(audited.spans(plan.intervals, judged)) if plan else (),
        unreadable=tuple(unreadable),
        made_ns=now_ns,
        origin=ledger.origin,
        vkey=ledger.vkey(),
        checkpoint=ledger.checkpoint(),
    )


def verdict_of(account: Account) -> tuple[Verdict, str]:
    """Return the verdict on the run as a whole, and the sentence that goes with it."""
    subject = account.subject
    if subject.error is not None:
        message = plain(subject.error.message)
        if isinstance(subject.error, TamperedError):
            return Verdict.VIOLATED, f"The run's log is not what was sealed: {message}"
        return Verdict.UNVERIFIED, f"The run's log cannot be read: {message}"
    counts = audited.counts(account.spans)
    total = sum(counts.values())
    if counts[Standing.VIOLATED] or any(
        audit.verdict is Verdict.VIOLATED for audit in subject.overview.audits
    ):
        return Verdict.VIOLATED, (
            f"{_how_many(counts[Standing.VIOLATED], total)} did not replay to what was recorded. "
            "Results from there on are not what this training produces."
        )
    if not subject.overview.audits:
        return Verdict.NOT_COVERED, (
            "Nobody has replayed any of it yet. What is below is what the run said of itself: "
            "sealed, so it was not edited since, and not checked."
        )
    clean = counts[Standing.VERIFIED]
    if clean:
        share = "every interval" if clean == total else f"{clean} of {plural(total, 'interval')}"
        rest = "" if clean == total else f" {total - clean} remain unchecked."
        return Verdict.VERIFIED, (f"An audit replayed {share} and every compared digest agreed.{rest}")
    if account.unreadable:
        return Verdict.UNVERIFIED, (
            "Audits were made, but what they say interval by interval is not at hand."
        )
    reasons = [span.reason for span in account.spans if span.reason]
    why = f": {reasons[0]}" if reasons else ""
    return Verdict.UNVERIFIED, f"Audits were made and could not tell{why}."


def _how_many(violated: int, total: int) -> str:
    return f"{plural(violated, 'interval')} of {total}" if violated else "Some of it"
