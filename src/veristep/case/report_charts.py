"""The report's charts: what was audited, what happened when, and the curves."""

from __future__ import annotations

from collections import Counter
from itertools import chain
from typing import TYPE_CHECKING

from veristep.case import chart, page, series
from veristep.case.audited import Span, Standing
from veristep.case.chart import Mark, Row
from veristep.case.wording import plain, plural

if TYPE_CHECKING:
    from veristep.case.account import Account


def charts(account: Account) -> str:
    """Return the charts over the steps."""
    recorded = account.subject.recorded
    if recorded is None or not recorded.steps:
        note = "No step of this run can be shown."
        return page.card("Over the steps", f'<p class="dim">{note}</p>')
    stop = max(max(stream.steps, default=-1) for stream in recorded.streams.values()) + 1
    legend = "".join(f"<span>{chart.swatch(each)}{page.text(each.value)}</span>" for each in Standing)
    parts = [
        f'<div class="legend">{legend}</div>',
        chart.track(account.spans, _rows(account), stop),
    ]
    for number, quantity in enumerate(series.quantities(recorded)):
        parts.append(_chart(quantity, number, account.spans, stop))
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


def _rows(account: Account) -> list[Row]:
    subject = account.subject
    recorded = subject.recorded
    assert recorded is not None
    snapshots = Counter(chain.from_iterable(s.snapshots for s in recorded.streams.values()))
    gaps = [
        Mark(step, plain(f"gap: {line.get('what')}: {line.get('reason')}"))
        for line in recorded.of_type("gap")
        if isinstance(step := line.get("step"), int)
    ]
    rows = [
        Row("snapshots", "tick", tuple(Mark(s, f"snapshot at step {s}") for s in sorted(snapshots))),
        Row(
            "files",
            "diamond",
            tuple(Mark(a.step, f"after {a.step} steps: {plain(a.path)}") for a in subject.artifacts),
        ),
        Row("gaps", "triangle", tuple(gaps)),
        Row(
            "findings",
            "cross",
            tuple(Mark(f.step, f"{f.rule}: {f.summary}") for f in subject.findings if f.step is not None),
        ),
    ]
    return [row for row in rows if row.marks]
