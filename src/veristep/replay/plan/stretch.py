"""Where tampering begins and ends, as far as replays have shown.

Each interval is replayed from its own recorded snapshot. So a violated interval is one in which the rule of
the update was broken *inside it*; an interval after it replays clean although its state descends from the
tampered one. What can be searched for is therefore the edge of a stretch of violated intervals: in steps of
1, 2, 4, ... outwards until one is not violated, then by bisection. Bisection finds *an* edge. It assumes
that tampering is contiguous; where it is scattered, intervals inside the stretch that were not replayed may
be clean, and others beyond it violated. Both are counted and said.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from veristep.core.canonical import Json
from veristep.core.verdicts import Verdict
from veristep.replay.plan.intervals import Interval

BEGINNING, END, NOT_COVERED, NOT_CHECKED = "beginning", "end", "not covered", "not checked"


@dataclass(frozen=True, slots=True)
class Stretch:
    """Violated intervals that hang together.

    Attributes:
        first: number of the first violated interval.
        last: number of the last one.
        start: first step of the first one.
        stop: the step after the last one.
        differs: the first step in it that was seen to differ; None where no step was named.
        violated: violated intervals in it.
        unchecked: intervals in it that were not replayed: bisection took them to be violated.
        before: what adjoins it: a verdict, or the run's beginning, steps in no interval, not checked.
        after: likewise; or the end of what can be audited.
    """

    first: int
    last: int
    start: int
    stop: int
    differs: int | None
    violated: int
    unchecked: int
    before: str
    after: str

    def to_json(self) -> dict[str, Json]:
        """Return the JSON form; steps are from `start` to before `stop`."""
        return {
            "intervals": [self.first, self.last],
            "steps": [self.start, self.stop],
            "differs": self.differs,
            "violated": self.violated,
            "unchecked": self.unchecked,
            "before": self.before,
            "after": self.after,
        }


@dataclass(frozen=True, slots=True)
class _Search:
    """How far the search for an edge has come: the outermost violated interval, and what to ask next."""

    edge: int
    probe: int | None


def probes(violated: Iterable[int], verdicts: Mapping[int, Verdict], total: int) -> list[int]:
    """Return the intervals to replay next to find the edges around `violated` ones; empty when found."""
    wanted = {
        probe
        for number in violated
        for direction in (-1, 1)
        if (probe := _search(number, direction, verdicts, total).probe) is not None
    }
    return sorted(wanted)


def stretches(
    intervals: Sequence[Interval],
    verdicts: Mapping[int, Verdict],
    steps: Mapping[int, int] = MappingProxyType({}),
) -> tuple[Stretch, ...]:
    """Return the stretches that the verdicts show.

    Args:
        intervals: all there are.
        verdicts: by number.
        steps: the first step seen to differ in each violated interval, by number.
    """
    total = len(intervals)
    found = sorted(
        (_search(number, -1, verdicts, total).edge, _search(number, 1, verdicts, total).edge)
        for number, verdict in verdicts.items()
        if verdict is Verdict.VIOLATED
    )
    # The search from inside one stretch sees less than the search from where it was hit: join them.
    spans: list[tuple[int, int]] = []
    for first, last in found:
        if spans and first <= spans[-1][1] + 1:
            spans[-1] = (spans[-1][0], max(last, spans[-1][1]))
        else:
            spans.append((first, last))
    return tuple(_stretch(intervals, verdicts, steps, first, last) for first, last in spans)


def _search(start: int, direction: int, verdicts: Mapping[int, Verdict], total: int) -> _Search:
    """Follow the search from a violated interval as far as the verdicts answer it.

    An interval that could not be judged ends it like a clean one: it is not known to be violated.
    """
    inside, outside, stride = start, None, 1
    while outside is None:
        probe = min(total - 1, max(0, inside + direction * stride))
        if probe == inside:
            return _Search(inside, None)
        passed = range(inside + direction, probe + direction, direction)
        other = [each for each in passed if verdicts.get(each, Verdict.VIOLATED) is not Verdict.VIOLATED]
        if other:
            outside = other[0]
        elif probe not in verdicts:
            return _Search(inside, probe)
        else:
            inside, stride = probe, 2 * stride
    # From the outermost that is known: clean ones that were found since must not move the middles.
    known = range(inside, outside, direction)
    inside = [each for each in known if each == inside or verdicts.get(each) is Verdict.VIOLATED][-1]
    while abs(outside - inside) > 1:
        middle = (outside + inside) // 2
        if middle not in verdicts:
            return _Search(inside, middle)
        if verdicts[middle] is Verdict.VIOLATED:
            inside = middle
        else:
            outside = middle
    return _Search(inside, None)


def _stretch(
    intervals: Sequence[Interval],
    verdicts: Mapping[int, Verdict],
    steps: Mapping[int, int],
    first: int,
    last: int,
) -> Stretch:
    known = [verdicts[number] for number in range(first, last + 1) if number in verdicts]
    return Stretch(
        first=first,
        last=last,
        start=intervals[first].start,
        stop=intervals[last].stop,
        differs=min((steps[number] for number in range(first, last + 1) if number in steps), default=None),
        violated=sum(verdict is Verdict.VIOLATED for verdict in known),
        unchecked=last - first + 1 - len(known),
        before=_neighbour(intervals, verdicts, first, first - 1),
        after=_neighbour(intervals, verdicts, last, last + 1),
    )


def _neighbour(
    intervals: Sequence[Interval], verdicts: Mapping[int, Verdict], inside: int, outside: int
) -> str:
    if outside < 0:
        return BEGINNING if intervals[inside].start == 0 else NOT_COVERED
    if outside >= len(intervals):
        return END
    left, right = sorted((inside, outside))
    if intervals[left].stop != intervals[right].start:
        return NOT_COVERED
    verdict = verdicts.get(outside)
    return verdict.value if verdict is not None else NOT_CHECKED
