"""Which intervals a run has, and which of them an audit replays."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from veristep.core.records import CLOSURE, NONE, StepRecord
from veristep.replay.recorded import RecordedRun, StreamRecord

_Shape = tuple[int, str, int]


@dataclass(frozen=True, slots=True)
class Interval:
    """The steps from one snapshot to the next, in all processes of a training.

    Attributes:
        number: from 0, in the order of steps.
        start: first step.
        stop: the step after the last one.
        streams: the processes.
        closed: whether a snapshot stands at its end too.
    """

    number: int
    start: int
    stop: int
    streams: tuple[str, ...]
    closed: bool


@dataclass(frozen=True, slots=True)
class Plan:
    """What can be audited, and what cannot, by name.

    Attributes:
        intervals: the units of audit.
        steps: step records of the run, over all processes.
        not_covered: steps that lie in no interval, with the reason.
    """

    intervals: tuple[Interval, ...]
    steps: int
    not_covered: dict[str, int]


def make_plan(run: RecordedRun) -> Plan:
    """Cut a run into intervals at the snapshots all its processes took."""
    first = {name: stream for name, stream in run.streams.items() if stream.restart == 0}
    not_covered: dict[str, int] = {}
    restarted = sum(len(s.steps) for name, s in run.streams.items() if name not in first)
    if restarted:
        not_covered["process was started again within the run"] = restarted
    trained = {name: stream for name, stream in first.items() if stream.steps}
    if not trained:
        return Plan((), run.steps, not_covered)
    end = min(min(max(stream.steps) + 1, stream.sealed) for stream in trained.values())
    unsealed = sum(max(stream.steps) + 1 - stream.sealed for stream in trained.values())
    if unsealed:
        not_covered["not sealed yet"] = unsealed
    common = sorted(set.intersection(*(set(stream.snapshots) for stream in trained.values())))
    # The run's beginning needs no snapshot: a replay starts there by itself.
    starts = sorted({0, *(step for step in common if step < end)})
    names = tuple(sorted(trained))
    intervals: list[Interval] = []
    for place, start in enumerate(starts):
        stop = starts[place + 1] if place + 1 < len(starts) else end
        if all(_whole(stream, start, stop) for stream in trained.values()):
            closed = place + 1 < len(starts)
            intervals.append(Interval(len(intervals), start, stop, names, closed))
        else:
            lost = "records are missing"
            not_covered[lost] = not_covered.get(lost, 0) + (stop - start) * len(names)
    beyond = sum(max(0, stream.sealed - end) for stream in trained.values())
    if beyond:
        not_covered["not all ranks got there"] = beyond
    return Plan(tuple(intervals), run.steps, not_covered)


def warm_ups(streams: Sequence[StreamRecord], interval: Interval, count: int) -> list[int]:
    """Return up to `count` numbers of steps after which the state of an interval can be put in place.

    A run's first interval starts by itself. Elsewhere at least one step is taken first, and the state is
    put in where the run's own steps had the same shapes as those of the interval, on every rank: the
    script goes on from there as it did, and a step with fewer micro-batches, as at the end of an epoch,
    falls on the same step. The interval's own start is such a place, after as many steps; most often
    there is a nearer one.
    """
    if interval.start == 0:
        return [0]
    if any(stream.steps[interval.start].boundary == NONE for stream in streams):
        return []
    # One letter per shape: what is looked for is the first places of a word in a text.
    letters: dict[tuple[_Shape | None, ...], str] = {}
    shapes = (tuple(_shape(stream.steps.get(step)) for stream in streams) for step in range(interval.stop))
    text = "".join([letters.setdefault(shape, chr(len(letters))) for shape in shapes])
    wanted = text[interval.start :]
    found: list[int] = []
    place = text.find(wanted, 1)
    while place != -1 and len(found) < count:
        found.append(place)
        place = text.find(wanted, place + 1)
    return found


def _shape(step: StepRecord | None) -> _Shape | None:
    if step is None:
        return None
    # How often a closure is called, or an update tried, depends on the state and not on the place.
    forwards = 0 if step.boundary == CLOSURE else step.forwards // (step.skipped + 1)
    return step.optimizer, step.boundary, forwards


def places(run: RecordedRun, interval: Interval) -> list[int]:
    """Return up to two numbers of steps after which all processes of an interval can be put in place."""
    return warm_ups([run.streams[name] for name in interval.streams], interval, 2)


def can_start(run: RecordedRun, interval: Interval) -> bool:
    """Whether there is a place to put an interval in: at the latest where it stood in the run itself."""
    return interval.start == 0 or all(
        run.streams[name].steps[interval.start].boundary != NONE for name in interval.streams
    )


def _whole(stream: StreamRecord, start: int, stop: int) -> bool:
    return all(step in stream.steps for step in range(start, stop))
