"""A report about one run: a single HTML file for people who were not there."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import chain
from typing import TYPE_CHECKING

from veristep import __version__
from veristep.case import audited, chart, page, series
from veristep.case import subject as subjects
from veristep.case.audited import Span, Standing
from veristep.case.chart import Mark, Row
from veristep.case.facts import DIGEST_PREFIX
from veristep.case.overview import State
from veristep.case.wording import duration, plain, plural
from veristep.core.verdicts import Verdict
from veristep.errors import TamperedError
from veristep.replay.plan import Plan, make_plan

if TYPE_CHECKING:
    from veristep.case.overview import AuditMark
    from veristep.case.subject import Subject
    from veristep.core.verdicts import Finding
    from veristep.ledger.log import Ledger

_LISTED = 200
_KINDS = {
    Verdict.VERIFIED: "ok",
    Verdict.VIOLATED: "bad",
    Verdict.UNVERIFIED: "unsure",
    Verdict.NOT_COVERED: "none",
}
_SYMBOLS = {"ok": "&#10003;", "bad": "&#10007;", "unsure": "?", "none": "&#8211;"}


@dataclass(frozen=True, slots=True)
class Report:
    """What a report is made from.

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


def gather(ledger: Ledger, run: str, now_ns: int) -> Report:
    """Read everything a report on a run needs.

    Raises:
        VeristepError: the ledger's own entries are damaged or were changed.
    """
    subject = subjects.read(ledger, run, now_ns)
    plan = make_plan(subject.recorded) if subject.recorded else None
    judged, unreadable = audited.judgements(ledger, subject.overview.audits)
    return Report(
        subject=subject,
        plan=plan,
        spans=tuple(audited.spans(plan.intervals, judged)) if plan else (),
        unreadable=tuple(unreadable),
        made_ns=now_ns,
        origin=ledger.origin,
        vkey=ledger.vkey(),
        checkpoint=ledger.checkpoint(),
    )


def build(report: Report) -> str:
    """Return the report as one HTML page."""
    sections = (
        _head(report),
        _verdict(report),
        _tiles(report),
        _charts(report),
        _findings(report.subject.findings),
        _not_checked(report),
        _audits(report),
        _files(report.subject),
        _gaps(report.subject),
        _about(report),
        _recheck(report),
    )
    return page.document(f"Veristep report: run {report.subject.overview.run}", "".join(sections))


def verdict_of(report: Report) -> tuple[Verdict, str]:
    """Return the verdict on the run as a whole, and the sentence that goes with it."""
    subject = report.subject
    if subject.error is not None:
        message = plain(subject.error.message)
        if isinstance(subject.error, TamperedError):
            return Verdict.VIOLATED, f"The run's log is not what was sealed: {message}"
        return Verdict.UNVERIFIED, f"The run's log cannot be read: {message}"
    counts = audited.counts(report.spans)
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
        return Verdict.VERIFIED, (
            f"An audit replayed {share} and every compared digest agreed.{rest}"
        )
    if report.unreadable:
        return Verdict.UNVERIFIED, (
            "Audits were made, but what they say interval by interval is not at hand."
        )
    reasons = [span.reason for span in report.spans if span.reason]
    why = f": {reasons[0]}" if reasons else ""
    return Verdict.UNVERIFIED, f"Audits were made and could not tell{why}."


def _how_many(violated: int, total: int) -> str:
    return f"{plural(violated, 'interval')} of {total}" if violated else "Some of it"


def _head(report: Report) -> str:
    view = report.subject.overview
    command = plain(view.opened.body.get("command"))
    return (
        f"{chart.DEFINITIONS}<header><div class='brand'><b>Veristep</b> run report</div>"
        f"<h1>{page.text(view.project or view.run)} "
        f"<span class='dim mono'>{page.text(view.run)}</span></h1>"
        f"<div class='dim mono'>{page.text(command)}</div></header>\n"
    )


def _verdict(report: Report) -> str:
    verdict, sentence = verdict_of(report)
    kind = _KINDS[verdict]
    word = "not audited" if verdict is Verdict.NOT_COVERED else verdict.value
    counts = audited.counts(report.spans)
    total, clean = sum(counts.values()), counts[Standing.VERIFIED]
    if verdict is Verdict.VERIFIED and clean < total:
        word += f" in {clean} of {total} intervals"
    bar = "".join(
        f'<svg width="{100 * count / total:.3f}%" height="14">'
        f'<rect width="100%" height="14" fill="url(#p-{chart.STANDING_CLASS[standing]})"/></svg>'
        for standing, count in counts.items()
        if count
    )
    legend = "".join(
        f"<span>{chart.swatch(standing)}{count} {page.text(standing.value)}</span>"
        for standing, count in counts.items()
        if count
    )
    side = (
        f'<div class="side"><div class="dim">intervals</div><div class="bar">{bar}</div>'
        f'<div class="legend">{legend}</div></div>'
        if bar
        else ""
    )
    return (
        f'<section class="card verdict {kind}"><div class="said"><div class="word {kind}">'
        f"<span aria-hidden='true'>{_SYMBOLS[kind]}</span>{page.text(word)}</div>"
        f"<p>{page.text(sentence)}</p></div>{side}</section>\n"
    )


def _tiles(report: Report) -> str:
    subject = report.subject
    view = subject.overview
    checked = sum(
        span.stop - span.start for span in report.spans if span.standing is Standing.VERIFIED
    )
    ranks = max(len(view.steps), 1)
    on_ranks = f" on {ranks} ranks" if ranks > 1 else ""
    gaps, findings = len(subject.gaps), len(subject.findings)
    tiles = [
        page.tile(view.standing.state.value, "state", _state_kind(view.standing.state)),
        page.tile(str(view.total_steps), f"steps recorded{on_ranks}"),
        page.tile(f"{checked * ranks}", "steps verified"),
        page.tile(str(findings), "findings", "bad" if findings else ""),
        page.tile(str(gaps), "gaps in the record", "unsure" if gaps else ""),
        page.tile(duration(view.seconds), "duration"),
    ]
    return f'<div class="tiles">{"".join(tiles)}</div>\n'


def _state_kind(state: State) -> str:
    return {State.FAILED: "bad", State.KILLED: "bad", State.LOST: "unsure"}.get(state, "")


def _charts(report: Report) -> str:
    recorded = report.subject.recorded
    if recorded is None or not recorded.steps:
        note = "No step of this run can be shown."
        return page.card("Over the steps", f'<p class="dim">{note}</p>')
    stop = max(max(stream.steps, default=-1) for stream in recorded.streams.values()) + 1
    legend = "".join(
        f"<span>{chart.swatch(each)}{page.text(each.value)}</span>" for each in Standing
    )
    parts = [f'<div class="legend">{legend}</div>', chart.track(report.spans, _rows(report), stop)]
    for number, quantity in enumerate(series.quantities(recorded)):
        parts.append(_chart(quantity, number, report.spans, stop))
    return page.card("Over the steps", "".join(parts))


def _chart(quantity: series.Quantity, number: int, spans: tuple[Span, ...], stop: int) -> str:
    if quantity.empty:
        return f'<h3>{page.text(quantity.title)} <span class="dim">not recorded</span></h3>'
    scale = "log scale" if chart.is_logarithmic(quantity) else ""
    lost = sum(len(each.not_finite) for each in quantity.series)
    finite = f"{plural(lost, 'value')} not finite" if lost else ""
    about = ", ".join(part for part in (quantity.unit, scale, finite) if part)
    legend = ""
    if len(quantity.series) > 1:
        names = "".join(
            f"<span>{chart.stroke_sample(place)}{page.text(each.name)}</span>"
            for place, each in enumerate(quantity.series)
        )
        legend = f'<div class="legend">{names}</div>'
    return (
        f'<h3>{page.text(quantity.title)} <span class="dim">{page.text(about)}'
        f'</span><span class="readout" id="readout-{number}"></span></h3>{legend}'
        f'<div data-readout="readout-{number}">{chart.line_chart(quantity, spans, stop)}</div>'
    )


def _rows(report: Report) -> list[Row]:
    subject = report.subject
    recorded = subject.recorded
    assert recorded is not None
    snapshots = Counter(chain.from_iterable(s.snapshots for s in recorded.streams.values()))
    gaps = [
        Mark(step, plain(f"gap: {line.get('what')}: {line.get('reason')}"))
        for line in recorded.of_type("gap")
        if isinstance(step := line.get("step"), int)
    ]
    rows = [
        Row(
            "snapshots", "tick", tuple(Mark(s, f"snapshot at step {s}") for s in sorted(snapshots))
        ),
        Row(
            "files",
            "diamond",
            tuple(
                Mark(a.step, f"after {a.step} steps: {plain(a.path)}") for a in subject.artifacts
            ),
        ),
        Row("gaps", "triangle", tuple(gaps)),
        Row(
            "findings",
            "cross",
            tuple(
                Mark(f.step, f"{f.rule}: {f.summary}")
                for f in subject.findings
                if f.step is not None
            ),
        ),
    ]
    return [row for row in rows if row.marks]


def _findings(found: tuple[Finding, ...]) -> str:
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
    if "expected" not in evidence:
        return ""
    return (
        f"<br><span class='dim'>recorded</span> {page.code(str(evidence['expected'])[:32])}"
        f"<br><span class='dim'>replayed</span> {page.code(str(evidence.get('got'))[:32])}"
    )


def _not_checked(report: Report) -> str:
    subject = report.subject
    lines = []
    counts = audited.counts(report.spans)
    if counts[Standing.UNAUDITED]:
        steps = sum(s.stop - s.start for s in report.spans if s.standing is Standing.UNAUDITED)
        lines.append(
            f"{plural(counts[Standing.UNAUDITED], 'interval')} ({plural(steps, 'step')} per rank): "
            "no audit has drawn them"
        )
    reasons: Counter[str] = Counter()
    for span in report.spans:
        if span.standing is Standing.UNVERIFIED:
            reasons[span.reason] += span.intervals
    lines += [
        f"{plural(n, 'interval')} replayed without an answer: {r}" for r, n in reasons.items()
    ]
    if report.plan:
        lines += [f"{plural(n, 'step')}: {reason}" for reason, n in report.plan.not_covered.items()]
    lines += _sampled(report)
    if subject.unsealed_lines:
        lines.append(f"{plural(subject.unsealed_lines, 'line')} of the log: not sealed yet")
    lines += list(report.unreadable)
    lines.append("code the run imported but did not keep; the data it read, except as fetched")
    lines.append("the machine the audit ran on, and the people who ran it")
    return page.card("What was not checked", page.bullets(lines))


def _sampled(report: Report) -> list[str]:
    """Say so when digests were compared in part only."""
    partial = [a.coverage for a in report.subject.overview.audits if a.coverage.blocks]
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


def _audits(report: Report) -> str:
    audits = report.subject.overview.audits
    if not audits:
        return page.card("Audits", '<p class="dim">None yet.</p>')
    rows = [_audit_row(each) for each in audits[-_LISTED:]]
    header = ("when (UTC)", "verdict", "intervals", "steps", "took", "written by", "entry")
    return page.card("Audits", page.table(header, rows, (2, 3, 4, 6)))


def _audit_row(audit: AuditMark) -> list[str]:
    coverage = audit.coverage
    return [
        _when(audit.time_ns),
        page.verdict_cell(audit.verdict.value, _KINDS[audit.verdict]),
        f"{coverage.intervals_checked} of {coverage.intervals}",
        f"{coverage.steps_checked} of {coverage.steps}",
        page.text(duration(audit.seconds)),
        page.code(audit.actor[:24]),
        str(audit.index),
    ]


def _files(subject: Subject) -> str:
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


def _gaps(subject: Subject) -> str:
    parts = page.bullets(subject.gaps[:_LISTED]) if subject.gaps else ""
    if not subject.gaps:
        parts = '<p class="dim">The record has no gaps.</p>'
    cards = page.card("Gaps", parts + _more(len(subject.gaps)))
    if subject.signals:
        lines = [f"{_when(each.time_ns)} UTC: {each.in_words()}" for each in subject.signals]
        cards += page.card("Signals", page.bullets(lines[:_LISTED]))
    return cards


def _about(report: Report) -> str:
    view = report.subject.overview
    body = view.opened.body
    pairs = [
        ("run", page.code(view.run)),
        ("state", page.text(f"{view.standing.words} ({view.standing.evidence})")),
        ("started", f"{_when(view.started_ns)} UTC"),
        ("command", page.code(body.get("command"))),
        ("folder", page.code(body.get("cwd"))),
        ("code", page.text(report.subject.code)),
        ("host", page.text(f"{plain(body.get('host'))}, user {plain(body.get('user'))}")),
    ]
    software = report.subject.software
    if software:
        words = ", ".join(f"{name} {value}" for name, value in software.items() if value)
        pairs.append(("software", page.text(words)))
    return page.card("The run", page.definitions(pairs))


def _recheck(report: Report) -> str:
    run = report.subject.overview.run
    pairs = [("ledger", page.code(report.origin)), ("key", page.code(report.vkey))]
    commands = f"veristep ledger fsck\nveristep show {run}\nveristep audit {run} --all"
    return page.card(
        "Do not take this page's word for it",
        "<p>A report can be edited by whoever holds the file. The record cannot be: these commands "
        "check it again, and the checkpoint below binds it to the moment the report was made.</p>"
        f"<pre>{_lines(commands)}</pre>{page.definitions(pairs)}"
        f"<pre>{_lines(report.checkpoint)}</pre>"
        f"<footer>Made {_when(report.made_ns)} UTC by Veristep {page.text(__version__)}. "
        "Times are UTC.</footer>",
    )


def _lines(value: str) -> str:
    return "\n".join(page.text(line) for line in value.splitlines())


def _when(time_ns: int) -> str:
    return datetime.fromtimestamp(time_ns / 1e9, UTC).strftime("%Y-%m-%d %H:%M:%S")


def _more(count: int) -> str:
    return f'<p class="dim">and {count - _LISTED} more</p>' if count > _LISTED else ""
