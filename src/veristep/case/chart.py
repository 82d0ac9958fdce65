"""Charts as SVG text: no library, no script needed to see them."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING

from veristep.case.audited import Standing

if TYPE_CHECKING:
    from collections.abc import Sequence

    from veristep.case.audited import Span
    from veristep.case.series import Quantity, Series

WIDTH, HEIGHT = 1000, 210
LEFT, RIGHT, TOP, BOTTOM = 78, 22, 10, 24
_TRACK_TOP, _TRACK_HEIGHT, _ROW_HEIGHT = 4, 26, 22
# Where the largest value is this many times the usual one, a linear scale shows one spike only.
_LOG_RATIO = 30.0
_TARGET_TICKS = 4
# A single violated interval of a long run still has to be seen.
_LEAST_WIDTH = 3
_LABEL_WIDTH, _SYMBOL_WIDTH = 78, 11
_DASHES = ("", "6 3", "2 3", "8 3 2 3", "1 2", "12 4")

STANDING_CLASS = {
    Standing.VERIFIED: "ok",
    Standing.VIOLATED: "bad",
    Standing.UNVERIFIED: "unsure",
    Standing.UNAUDITED: "none",
}
SYMBOLS = {
    Standing.VERIFIED: "\N{CHECK MARK}",
    Standing.VIOLATED: "\N{BALLOT X}",
    Standing.UNVERIFIED: "?",
    Standing.UNAUDITED: "",
}
# Told apart by pattern as well as by colour.
DEFINITIONS = (
    '<svg width="0" height="0" aria-hidden="true" class="defs"><defs>'
    '<pattern id="p-ok" width="8" height="8" patternUnits="userSpaceOnUse">'
    '<rect width="8" height="8" class="tint-ok"/></pattern>'
    '<pattern id="p-bad" width="8" height="8" patternUnits="userSpaceOnUse">'
    '<rect width="8" height="8" class="tint-bad"/>'
    '<path d="M0 0L8 8M8 0L0 8" class="hatch-bad"/></pattern>'
    '<pattern id="p-unsure" width="8" height="8" patternUnits="userSpaceOnUse">'
    '<rect width="8" height="8" class="tint-unsure"/>'
    '<path d="M-2 2L2 -2M0 8L8 0M6 10L10 6" class="hatch-unsure"/></pattern>'
    '<pattern id="p-none" width="8" height="8" patternUnits="userSpaceOnUse">'
    '<circle cx="4" cy="4" r="0.9" class="dot-none"/></pattern>'
    "</defs></svg>"
)


@dataclass(frozen=True, slots=True)
class Mark:
    """Something that happened at a step."""

    step: int
    text: str


@dataclass(frozen=True, slots=True)
class Row:
    """One kind of mark under the track: its name, its symbol, its marks."""

    name: str
    symbol: str
    marks: tuple[Mark, ...]


@dataclass(frozen=True, slots=True)
class Scale:
    """Maps values to a length, linearly or by logarithm."""

    low: float
    high: float
    start: float
    end: float
    logarithmic: bool = False

    def at(self, value: float) -> float:
        """Return where a value lies."""
        low, high = self.low, self.high
        if self.logarithmic:
            low, high, value = math.log10(low), math.log10(high), math.log10(value)
        share = (value - low) / (high - low) if high > low else 0.5
        return self.start + share * (self.end - self.start)


def steps_scale(stop: int) -> Scale:
    """Return the horizontal scale of a run of `stop` steps, the same in every chart."""
    return Scale(0, max(stop, 1), LEFT, WIDTH - RIGHT)


def line_chart(quantity: Quantity, spans: Sequence[Span], stop: int) -> str:
    """Return one quantity over the steps, above the standing of each stretch of them."""
    x = steps_scale(stop)
    y = _value_scale(quantity.series)
    parts = [_open(HEIGHT, f"{quantity.title} over steps", quantity.series, x)]
    parts += [_band(span, x, TOP, HEIGHT - TOP - BOTTOM, "band") for span in _drawn_last_if_bad(spans)]
    parts += _y_axis(y)
    parts += _x_axis(x, HEIGHT - BOTTOM)
    parts += [_curve(each, number, x, y) for number, each in enumerate(quantity.series)]
    for each in quantity.series:
        parts += [_not_finite(step, x) for step in each.not_finite[:200]]
    parts.append(f'<line class="cursor" y1="{TOP}" y2="{HEIGHT - BOTTOM}"/></svg>')
    return "".join(parts)


def is_logarithmic(quantity: Quantity) -> bool:
    """Whether the chart of a quantity has a logarithmic scale."""
    return _value_scale(quantity.series).logarithmic


def track(spans: Sequence[Span], rows: Sequence[Row], stop: int) -> str:
    """Return the strip of audited stretches, and below it what happened when."""
    x = steps_scale(stop)
    bottom = _TRACK_TOP + _TRACK_HEIGHT + _ROW_HEIGHT * len(rows) + 6
    parts = [_open(bottom + BOTTOM, "Audited steps and events", (), x)]
    parts.append(_row_label("audits", _TRACK_TOP + _TRACK_HEIGHT / 2))
    for span in _drawn_last_if_bad(spans):
        parts.append(_band(span, x, _TRACK_TOP, _TRACK_HEIGHT, "track"))
        parts.append(_band_label(span, x))
    for number, row in enumerate(rows):
        middle = _TRACK_TOP + _TRACK_HEIGHT + _ROW_HEIGHT * (number + 0.6)
        parts.append(_row_label(row.name, middle))
        parts.append(f'<line class="rule" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{middle}" y2="{middle}"/>')
        parts += [_symbol(row, mark, x, middle) for mark in _thin_marks(row.marks, x)]
    parts += _x_axis(x, bottom)
    parts.append("</svg>")
    return "".join(parts)


def _drawn_last_if_bad(spans: Sequence[Span]) -> list[Span]:
    return sorted(spans, key=lambda span: span.standing is Standing.VIOLATED)


def swatch(standing: Standing) -> str:
    """Return a small sample of how a standing is drawn."""
    kind = STANDING_CLASS[standing]
    return (
        '<svg class="swatch" width="22" height="14" aria-hidden="true">'
        f'<rect x="0.5" y="0.5" width="21" height="13" rx="3" class="sample {kind}"'
        f' fill="url(#p-{kind})"/></svg>'
    )


def stroke_sample(number: int) -> str:
    """Return a small sample of the line of one curve."""
    return (
        '<svg class="swatch" width="26" height="10" aria-hidden="true">'
        f'<line x1="1" y1="5" x2="25" y2="5" class="curve c{number % len(_DASHES)}"'
        f' stroke-dasharray="{_DASHES[number % len(_DASHES)]}"/></svg>'
    )


def _open(height: float, label: str, series: Sequence[Series], x: Scale) -> str:
    # Six digits are more than a pixel shows.
    data = [
        {"n": each.name, "p": [[step, float(f"{value:.6g}")] for step, value in each.points]}
        for each in series
    ]
    points = json.dumps(data, separators=(",", ":"), allow_nan=False) if series else ""
    attributes = f' data-series="{escape(points)}" data-stop="{x.high:.0f}"' if series else ""
    return (
        f'<svg class="chart" viewBox="0 0 {WIDTH} {height:.0f}" role="img"'
        f' aria-label="{escape(label)}"{attributes}>'
    )


def _band(span: Span, x: Scale, top: float, height: float, kind: str) -> str:
    left, right = x.at(span.start), x.at(span.stop)
    name = STANDING_CLASS[span.standing]
    text = f"steps {span.start} to {span.stop - 1}: {span.standing.value}"
    if span.reason:
        text += f" ({span.reason})"
    width = max(right - left, _LEAST_WIDTH)
    return (
        f'<rect class="{kind} {name}" x="{left:.1f}" y="{top}" width="{width:.1f}"'
        f' height="{height}" fill="url(#p-{name})"><title>{escape(text)}</title></rect>'
    )


def _band_label(span: Span, x: Scale) -> str:
    left, right = x.at(span.start), x.at(span.stop)
    name = span.standing.value
    if right - left < _LABEL_WIDTH:
        # Not all have room for the word, and colour alone is not for everybody.
        name = SYMBOLS[span.standing] if right - left > _SYMBOL_WIDTH else ""
    if not name:
        return ""
    middle = _TRACK_TOP + _TRACK_HEIGHT / 2 + 4
    return (
        f'<text class="bandname {STANDING_CLASS[span.standing]}" x="{(left + right) / 2:.1f}"'
        f' y="{middle}" text-anchor="middle">{escape(name)}</text>'
    )


def _row_label(name: str, middle: float) -> str:
    return f'<text class="axis" x="{LEFT - 8}" y="{middle + 4:.1f}" text-anchor="end">{escape(name)}</text>'


def _symbol(row: Row, mark: Mark, x: Scale, y: float) -> str:
    shape = {
        "tick": '<path d="M0 -6V6"/>',
        "diamond": '<path d="M0 -6L6 0L0 6L-6 0Z"/>',
        "triangle": '<path d="M0 -6L6 5L-6 5Z"/>',
        "cross": '<path d="M-5 -5L5 5M5 -5L-5 5"/>',
    }[row.symbol]
    return (
        f'<g class="mark {row.symbol}" transform="translate({x.at(mark.step):.1f} {y:.1f})">'
        f'<rect x="-6" y="-9" width="12" height="18" fill="transparent"/>{shape}'
        f"<title>{escape(mark.text)}</title></g>"
    )


def _thin_marks(marks: Sequence[Mark], x: Scale) -> list[Mark]:
    """Return one mark per pixel, with the texts of all that share it."""
    places: dict[int, list[Mark]] = {}
    for mark in marks:
        places.setdefault(round(x.at(mark.step)), []).append(mark)
    kept = []
    for found in places.values():
        more = f"\nand {len(found) - 1} more here" if len(found) > 1 else ""
        kept.append(Mark(found[0].step, found[0].text + more))
    return kept


def _curve(series: Series, number: int, x: Scale, y: Scale) -> str:
    if not series.points:
        return ""
    style = number % len(_DASHES)
    places = " ".join(f"{x.at(s + 0.5):.1f},{y.at(v):.1f}" for s, v in series.points)
    if len(series.points) == 1:
        px, py = places.split(",")
        return f'<circle class="curve c{style}" cx="{px}" cy="{py}" r="2"/>'
    dash = f' stroke-dasharray="{_DASHES[style]}"' if _DASHES[style] else ""
    dense = " dense" if len(series.points) > WIDTH // 2 else ""
    return f'<polyline class="curve c{style}{dense}" points="{places}"{dash}/>'


def _not_finite(step: int, x: Scale) -> str:
    return (
        f'<text class="nan" x="{x.at(step + 0.5):.1f}" y="{TOP + 12}" text-anchor="middle">NaN'
        f"<title>step {step}: not a finite number</title></text>"
    )


def _value_scale(series: Sequence[Series]) -> Scale:
    values = sorted(value for each in series for _, value in each.points)
    bottom, top = HEIGHT - BOTTOM, TOP
    if not values:
        return Scale(0, 1, bottom, top)
    low, high = values[0], values[-1]
    median = values[len(values) // 2]
    if low > 0 and high / median > _LOG_RATIO:
        return Scale(low * 0.9, high * 1.1, bottom, top, logarithmic=True)
    low = 0.0 if 0 <= low < 0.5 * high else low
    margin = 0.06 * (high - low) or abs(high) * 0.1 or 1.0
    return Scale(low if low == 0 else low - margin, high + margin, bottom, top)


def _y_axis(y: Scale) -> list[str]:
    parts = []
    for value in _log_ticks(y) if y.logarithmic else _ticks(y.low, y.high):
        place = f"{y.at(value):.1f}"
        parts.append(
            f'<line class="grid" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{place}" y2="{place}"/>'
            f'<text class="axis" x="{LEFT - 8}" y="{place}" dy="4" text-anchor="end">'
            f"{_number(value)}</text>"
        )
    return parts


def _x_axis(x: Scale, top: float) -> list[str]:
    parts = [f'<line class="base" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{top}" y2="{top}"/>']
    for value in _ticks(0, x.high, target=8):
        if value != int(value):
            continue
        place = x.at(value)
        parts.append(
            f'<text class="axis" x="{place:.1f}" y="{top + 16}" text-anchor="middle">{int(value)}</text>'
        )
    return parts


def _ticks(low: float, high: float, target: int = _TARGET_TICKS) -> list[float]:
    rough = (high - low) / target
    if not rough > 0 or not math.isfinite(rough):
        return [low]
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(power * each for each in (1, 2, 5, 10) if power * each >= rough * 0.999)
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    return [number * step for number in range(first, last + 1)]


def _log_ticks(y: Scale) -> list[float]:
    first, last = math.floor(math.log10(y.low)), math.ceil(math.log10(y.high))
    every = max(1, (last - first) // _TARGET_TICKS)
    factors = (1,) if last - first > 2 else (1, 2, 5)
    ticks = [10.0**power * factor for power in range(first, last + 1, every) for factor in factors]
    return [tick for tick in ticks if y.low <= tick <= y.high]


def _number(value: float) -> str:
    return f"{value:.6g}" if abs(value) < 1e6 else f"{value:.1e}"
