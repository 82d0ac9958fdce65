"""Two updates of the same coordinates against each other, as an SVG scatter plot."""

from __future__ import annotations

import math
from collections.abc import Sequence
from html import escape

SIZE, MARGIN = 260, 34
_DOT = 2.6


def scatter(recorded: Sequence[float], replayed: Sequence[float], label: str) -> str:
    """Return recorded values over replayed ones.

    Equal ones lie on the dashed line, reversed ones across it; values that are no numbers are left out.
    """
    pairs = [
        (true, found)
        for found, true in zip(recorded, replayed, strict=False)
        if math.isfinite(found) and math.isfinite(true)
    ]
    most = max((abs(value) for pair in pairs for value in pair), default=0.0) or 1.0
    middle, reach = SIZE / 2, SIZE / 2 - MARGIN

    def at(value: float) -> float:
        return value / most * reach

    low, high = middle - reach, middle + reach
    dots = "".join(
        f'<circle class="dot" cx="{middle + at(true):.1f}" cy="{middle - at(found):.1f}" r="{_DOT}"/>'
        for true, found in pairs
    )
    return (
        f'<svg class="scatter" viewBox="0 0 {SIZE} {SIZE}" width="{SIZE}" height="{SIZE}" role="img" '
        f'aria-label="{escape(label, quote=True)}">'
        f'<line class="grid" x1="{low}" x2="{high}" y1="{middle}" y2="{middle}"/>'
        f'<line class="grid" x1="{middle}" x2="{middle}" y1="{low}" y2="{high}"/>'
        f'<line class="base" stroke-dasharray="4 4" x1="{low}" x2="{high}" y1="{high}" y2="{low}"/>{dots}'
        f'<text class="axis" x="{high}" y="{middle + 16}" text-anchor="end">replayed</text>'
        f'<text class="axis" x="{middle + 6}" y="{low - 6}">recorded</text>'
        f'<text class="axis" x="{high}" y="{SIZE - 8}" text-anchor="end">&#177;{most:.3g}</text></svg>'
    )
