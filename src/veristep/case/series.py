"""Curves over steps, thinned out so that no peak is lost."""

from __future__ import annotations

import math
import statistics
from dataclasses import dataclass
from typing import TYPE_CHECKING

from veristep.case.facts import step_seconds, stream_order

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from veristep.replay.recorded import RecordedRun, StreamRecord

MAX_POINTS = 2000
# More curves than this in one chart cannot be told apart: their range is drawn instead.
MAX_CURVES = 6

Point = tuple[int, float]


@dataclass(frozen=True, slots=True)
class Series:
    """One curve.

    Attributes:
        name: of which process, and of which optimizer when there are several.
        points: in the order of steps, all finite.
        not_finite: steps whose value is NaN or infinite.
    """

    name: str
    points: tuple[Point, ...]
    not_finite: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Quantity:
    """What one chart shows.

    Attributes:
        title: what it is.
        unit: of the values; empty for a plain number.
        series: the curves.
        curves: how many there were before many were put together to a range.
    """

    title: str
    unit: str
    series: tuple[Series, ...]
    curves: int

    @property
    def empty(self) -> bool:
        """Whether there is nothing to draw."""
        return not any(each.points or each.not_finite for each in self.series)


def quantities(recorded: RecordedRun) -> list[Quantity]:
    """Return the charts' curves: loss, gradient norm, step time."""
    return [
        _quantity("Loss", "", recorded, _losses),
        _quantity("Gradient norm", "", recorded, _norms),
        _quantity("Step time", "ms", recorded, _times),
    ]


def thin(points: Sequence[Point], limit: int = MAX_POINTS) -> list[Point]:
    """Return at most `limit` points that keep the lowest and the highest of every stretch."""
    if len(points) <= limit:
        return list(points)
    buckets = limit // 2
    kept: list[Point] = []
    for number in range(buckets):
        part = points[number * len(points) // buckets : (number + 1) * len(points) // buckets]
        low = min(part, key=_value)
        high = max(part, key=_value)
        kept += sorted({low, high})
    return kept


def _quantity(
    title: str,
    unit: str,
    recorded: RecordedRun,
    values: Callable[[StreamRecord], Iterable[tuple[str, int, float]]],
) -> Quantity:
    found: dict[str, list[Point]] = {}
    for name in sorted(recorded.streams, key=stream_order):
        for optimizer, step, value in values(recorded.streams[name]):
            label = f"rank {name}" + (f", optimizer {optimizer}" if optimizer else "")
            found.setdefault(label, []).append((step, value))
    curves = len(found)
    if curves > MAX_CURVES:
        found = _range(found)
    return Quantity(title, unit, tuple(_series(*item) for item in found.items()), curves)


def _range(found: dict[str, list[Point]]) -> dict[str, list[Point]]:
    at: dict[int, list[float]] = {}
    for points in found.values():
        for step, value in points:
            at.setdefault(step, []).append(value)
    steps = sorted(at)
    return {
        "highest of all": [(step, max(at[step])) for step in steps],
        "median": [(step, statistics.median(at[step])) for step in steps],
        "lowest of all": [(step, min(at[step])) for step in steps],
    }


def _series(name: str, points: list[Point]) -> Series:
    finite = [point for point in points if math.isfinite(point[1])]
    lost = tuple(step for step, value in points if not math.isfinite(value))
    return Series(name, tuple(thin(finite)), lost)


def _losses(stream: StreamRecord) -> Iterable[tuple[str, int, float]]:
    return _scalars(stream, "loss")


def _norms(stream: StreamRecord) -> Iterable[tuple[str, int, float]]:
    return _scalars(stream, "grad_norm")


def _scalars(stream: StreamRecord, field: str) -> Iterable[tuple[str, int, float]]:
    several = len({record.optimizer for record in stream.steps.values()}) > 1
    for step in sorted(stream.steps):
        record = stream.steps[step]
        value = getattr(record, field)
        if value is not None:
            yield str(record.optimizer) if several else "", step, value


def _times(stream: StreamRecord) -> Iterable[tuple[str, int, float]]:
    for step, seconds in step_seconds(stream):
        yield "", step, seconds * 1000


def _value(point: Point) -> float:
    return point[1]
