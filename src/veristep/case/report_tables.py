"""The report's lists and tables: findings, audits, files, gaps, and what was not checked."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from veristep.case import audited, page
from veristep.case.audited import Standing
from veristep.case.facts import DIGEST_PREFIX
from veristep.case.wording import duration, moment, plural
from veristep.core.verdicts import Verdict

if TYPE_CHECKING:
    from veristep.case.account import Account
    from veristep.case.overview import AuditMark
    from veristep.case.subject import Subject
    from veristep.core.verdicts import Finding

_LISTED = 200
KINDS = {
    Verdict.VERIFIED: "ok",
    Verdict.VIOLATED: "bad",
    Verdict.UNVERIFIED: "unsure",
    Verdict.NOT_COVERED: "none",
}


def findings(found: tuple[Finding, ...]) -> str:
    """Return the findings."""
    if not found:
        return page.card("Findings", '<p class="dim">None were raised about this run.</p>')
    rows = [
        [
            page.verdict_cell(each.rule, "bad"),
            page.text(each.step if each.step is not None else ""),
            page.text(each.rank if each.rank is not None else ""),
            page.text(each.summary) + _evidence(each),
            "<br>".join(
                f"{page.text(s.what)}: {page.code(s.value)} "
                f"<span class='dim'>({page.text(s.how_known)})</span>"
                for s in each.suspects
            ),
        ]
        for each in found[:_LISTED]
    ]
    header = ("rule", "step", "rank", "what", "points at")
    return page.card("Findings", page.table(header, rows, (1, 2)) + _more(len(found)))


def _evidence(finding: Finding) -> str:
    evidence = finding.evidence
    if not evidence.get("expected"):
        return ""
    return (
        f"<br><span class='dim'>recorded</span> {page.code(str(evidence['expected'])[:32])}"
        f"<br><span class='dim'>replayed</span> {page.code(str(evidence.get('got'))[:32])}"
    )


def not_checked(account: Account) -> str:
    """Return what nothing on the page rests on."""
    subject = account.subject
    lines = []
    counts = audited.counts(account.spans)
    if counts[Standing.UNAUDITED]:
        steps = sum(s.stop - s.start for s in account.spans if s.standing is Standing.UNAUDITED)
        lines.append(
            f"{plural(counts[Standing.UNAUDITED], 'interval')} ({plural(steps, 'step')} per rank): "
            "no audit has drawn them"
        )
    reasons: Counter[str] = Counter()
    for span in account.spans:
        if span.standing is Standing.UNVERIFIED:
            reasons[span.reason] += span.intervals
    lines += [f"{plural(n, 'interval')} replayed without an answer: {r}" for r, n in reasons.items()]
    if account.plan:
        lines += [f"{plural(n, 'step')}: {reason}" for reason, n in account.plan.not_covered.items()]
    lines += _sampled(account)
    noise = max((each.coverage.in_noise for each in subject.overview.audits), default=0)
    if noise:
        lines.append(f"the last bits: {_in_noise(noise)}, on a machine that rounds otherwise")
    if subject.unsealed_lines:
        lines.append(f"{plural(subject.unsealed_lines, 'line')} of the log: not sealed yet")
    lines += list(account.unreadable)
    lines.append("code the run imported but did not keep; the data it read, except as fetched")
    lines.append("the machine the audit ran on, and the people who ran it")
    return page.card("What was not checked", page.bullets(lines))


def _sampled(account: Account) -> list[str]:
    """Say so when digests were compared in part only."""
    partial = [a.coverage for a in account.subject.overview.audits if a.coverage.blocks]
    if not partial:
        return []
    best = max(partial, key=lambda each: each.blocks_checked / each.blocks)
    if best.blocks_checked >= best.blocks:
        return []
    share = 100 * best.blocks_checked / best.blocks
    return [
        (
            f"{100 - share:.0f} % of the parameter and gradient blocks in the replayed steps: "
            "the run digested a changing part of them at each step"
        )
    ]


def audits(account: Account) -> str:
    """Return the audits."""
    audits = account.subject.overview.audits
    if not audits:
        return page.card("Audits", '<p class="dim">None yet.</p>')
    rows = [_audit_row(each) for each in audits[-_LISTED:]]
    header = ("when (UTC)", "verdict", "intervals", "steps", "took", "written by", "entry")
    return page.card("Audits", page.table(header, rows, (2, 3, 4, 6)) + _circumstances(audits[-1]))


def _circumstances(audit: AuditMark) -> str:
    """Return what the last audit ran in, and what it took as recorded."""
    pairs = [(page.text(name), page.text(fact)) for name, fact in audit.room]
    for condition, outcomes in audit.coverage.conditions.items():
        told = ", ".join(f"{plural(count, 'step')}: {outcome}" for outcome, count in outcomes.items())
        pairs.append((page.text(condition), page.text(told)))
    if audit.coverage.unconditioned:
        pairs.append(("conditions", "none: the script was run again from its start"))
    if audit.coverage.in_noise:
        pairs.append(("compared", page.text(_in_noise(audit.coverage.in_noise))))
    return f"<h3>The last one ran in</h3>{page.definitions(pairs)}" if pairs else ""


def _in_noise(steps: int) -> str:
    return f"{plural(steps, 'step')} within rounding noise only, not bit for bit"


def _audit_row(audit: AuditMark) -> list[str]:
    coverage = audit.coverage
    return [
        moment(audit.time_ns),
        page.verdict_cell(audit.verdict.value, KINDS[audit.verdict]),
        f"{coverage.intervals_checked} of {coverage.intervals}",
        f"{coverage.steps_checked} of {coverage.steps}",
        page.text(duration(audit.seconds)),
        page.code(audit.actor[:24]),
        str(audit.index),
    ]


def files(subject: Subject) -> str:
    """Return the files the run wrote."""
    found = subject.artifacts
    if not found:
        return page.card("Files written", '<p class="dim">None were recorded.</p>')
    rows = [
        [
            str(each.step),
            page.text(each.stream),
            page.code(each.path),
            f"{each.size:,}".replace(",", "&#8239;"),
            page.code(each.sha256[:DIGEST_PREFIX]),
            str(each.index),
        ]
        for each in found[:_LISTED]
    ]
    header = ("after step", "rank", "path", "bytes", "sha256", "entry")
    return page.card("Files written", page.table(header, rows, (0, 1, 3, 5)) + _more(len(found)))


def gaps(subject: Subject) -> str:
    """Return what is missing from the record, and the signals it came with."""
    parts = page.bullets(subject.gaps[:_LISTED]) if subject.gaps else ""
    if not subject.gaps:
        parts = '<p class="dim">The record has no gaps.</p>'
    cards = page.card("Gaps", parts + _more(len(subject.gaps)))
    if subject.signals:
        lines = [f"{moment(each.time_ns)} UTC: {each.in_words()}" for each in subject.signals]
        cards += page.card("Signals", page.bullets(lines[:_LISTED]))
    return cards


def _more(count: int) -> str:
    return f'<p class="dim">and {count - _LISTED} more</p>' if count > _LISTED else ""
