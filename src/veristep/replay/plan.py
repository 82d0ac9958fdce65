"""Which intervals a run has, and which of them an audit replays."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

from veristep.core.records import CLOSURE, NONE, StepRecord
from veristep.errors import UsageError
from veristep.replay.recorded import RecordedRun, StreamRecord

DRAW_DOMAIN = b"veristep/draw/v1"
MIN_DRAWN = 3
DEFAULT_COVERAGE = 0.1

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


def draw_seed(nonce: bytes, checkpoint: str, run: str) -> bytes:
    """Return the seed of a draw: anybody who is told the nonce can compute it, nobody could before."""
    parts = (nonce, checkpoint.encode(), run.encode())
    return hashlib.sha256(DRAW_DOMAIN + b"".join(hashlib.sha256(part).digest() for part in parts)).digest()


def draw(intervals: Sequence[Interval], count: int, seed: bytes) -> list[Interval]:
    """Return `count` intervals drawn without replacement: the smallest hashes of (seed, number)."""
    keyed = sorted(
        intervals, key=lambda each: hashlib.sha256(seed + each.number.to_bytes(8, "big")).digest()
    )
    return sorted(keyed[:count], key=lambda each: each.number)


def default_count(total: int) -> int:
    """Return how many of `total` intervals are replayed when nobody says."""
    return min(total, max(MIN_DRAWN, round(total * DEFAULT_COVERAGE)))


def containing(intervals: Sequence[Interval], span: str) -> list[Interval]:
    """Return the intervals that hold any of the steps ``A:B`` (B not included).

    Raises:
        UsageError: that is not a span of steps, or no interval holds any of them.
    """
    first, separator, last = span.partition(":")
    try:
        start = int(first or 0)
        stop = int(last) if last else (start + 1 if not separator else 1 << 62)
    except ValueError as error:
        raise UsageError(f"--steps {span!r} is not A:B", hint="for example --steps 100:200") from error
    found = [each for each in intervals if each.start < stop and start < each.stop]
    if not found:
        raise UsageError(f"no interval holds any of the steps {span}")
    return found


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


def _whole(stream: StreamRecord, start: int, stop: int) -> bool:
    return all(step in stream.steps for step in range(start, stop))
