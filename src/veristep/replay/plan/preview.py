"""What an audit would take and what it could show, before anything is replayed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from statistics import fmean
from typing import Any

from veristep.core.canonical import Json
from veristep.ledger.log import Ledger
from veristep.replay.plan.choice import Choice, Count, Given, Risk
from veristep.replay.plan.intervals import Interval, Plan, can_start, places
from veristep.replay.plan.risk import meant, miss_probability, needed
from veristep.replay.recorded import RecordedRun, StreamRecord

# Intervals whose cost is estimated one by one; the mean of them stands for the rest.
SAMPLE = 50
LIMITS = (Fraction(1, 10), Fraction(1, 20), Fraction(1, 100), Fraction(1, 1000))


@dataclass(frozen=True, slots=True)
class Row:
    """What a risk limit would take.

    Attributes:
        limit: chance of missing it.
        count: intervals to replay clean; None when there are not enough that can be replayed.
        seconds: estimate for all of them, one after another.
    """

    limit: Fraction
    count: int | None
    seconds: float


@dataclass(frozen=True, slots=True)
class Preview:
    """An audit, planned.

    Attributes:
        intervals: units of audit.
        replayable: those that a place to start from was found for in the record.
        steps: step records in the intervals, over all processes.
        steps_total: step records of the run.
        not_covered: steps in no interval, by reason.
        training_seconds: how long the run took, as far as it is recorded.
        start_seconds: from the start of the command to its first step: what each replay pays first.
        interval_seconds: estimate for one replay, its start included.
        measured: whether that is what replays of earlier audits took; else what the run itself took.
        tampered: intervals meant by the share assumed to be tampered with.
        asked: intervals the choice calls for if all are replayed clean.
        asked_seconds: estimate for them.
        chance: of missing it after them; None when they are not drawn.
        floor: of missing it if everything replayable is replayed clean.
        rows: what usual limits would take.
    """

    intervals: int
    replayable: int
    steps: int
    steps_total: int
    not_covered: Mapping[str, int]
    training_seconds: float
    start_seconds: float
    interval_seconds: float
    measured: bool
    tampered: int
    asked: int
    asked_seconds: float
    chance: Fraction | None
    floor: Fraction
    rows: tuple[Row, ...]

    @property
    def reachable(self) -> bool:
        """Whether the choice can be carried out with what can be replayed."""
        return self.asked <= self.replayable

    def share(self, seconds: float) -> float:
        """Return seconds as a share of the training's; 0 when that is not known."""
        return seconds / self.training_seconds if self.training_seconds > 0 else 0.0

    def to_json(self) -> dict[str, Json]:
        """Return the JSON form."""
        return {
            "intervals": self.intervals,
            "replayable": self.replayable,
            "steps": self.steps,
            "steps_total": self.steps_total,
            "not_covered": dict(self.not_covered),
            "training_seconds": round(self.training_seconds, 3),
            "start_seconds": round(self.start_seconds, 3),
            "interval_seconds": round(self.interval_seconds, 3),
            "measured": self.measured,
            "tampered_intervals": self.tampered,
            "asked": self.asked,
            "asked_seconds": round(self.asked_seconds, 3),
            "asked_share_of_training": round(self.share(self.asked_seconds), 6),
            "chance_missed": None if self.chance is None else float(self.chance),
            "reachable": self.reachable,
            "least_chance_missed": float(self.floor),
            "limits": [
                {
                    "limit": float(row.limit),
                    "intervals": row.count,
                    "seconds": round(row.seconds, 3),
                    "share_of_training": round(self.share(row.seconds), 6),
                }
                for row in self.rows
            ],
        }


def measured_seconds(ledger: Ledger, run: str) -> float | None:
    """Return what a replay of the run took on average in its last audit by intervals; None without one."""
    found = None
    for entry in ledger.entries(run=run, kind="audit.done"):
        body: Mapping[str, Any] = entry.body
        if "draw" in body and body["coverage"]["intervals_checked"]:
            found = float(body["seconds"]) / int(body["coverage"]["intervals_checked"])
    return found


def preview(
    run: RecordedRun, plan: Plan, choice: Choice, tampered: Fraction, measured: float | None = None
) -> Preview:
    """Plan an audit.

    Args:
        run: the recorded run.
        plan: its intervals.
        choice: what is asked for.
        tampered: the share of the intervals assumed to be tampered with, for the risks stated.
        measured: seconds a replay takes, where that is known.
    """
    total = len(plan.intervals)
    usable = [each for each in plan.intervals if can_start(run, each)]
    start = _start_seconds(run)
    numbers = choice.numbers if isinstance(choice, Given) else range(total)
    sample = _sample([plan.intervals[number] for number in numbers])
    typical = measured or fmean([_seconds(run, each, start) for each in sample] or [0.0])
    m = meant(total, tampered) if total else 0
    asked, chance = _asked(choice, total, m)
    given = (
        _sample([plan.intervals[number] for number in choice.numbers]) if isinstance(choice, Given) else []
    )
    if given:
        typical = fmean([_seconds(run, each, start) for each in given])
    return Preview(
        intervals=total,
        replayable=len(usable),
        steps=sum((each.stop - each.start) * len(each.streams) for each in plan.intervals),
        steps_total=plan.steps,
        not_covered=plan.not_covered,
        training_seconds=_training_seconds(run),
        start_seconds=start,
        interval_seconds=typical,
        measured=measured is not None,
        tampered=m,
        asked=asked,
        asked_seconds=asked * typical,
        chance=chance,
        floor=miss_probability(total, len(usable), m) if total else Fraction(1),
        rows=tuple(_row(limit, total, m, len(usable), typical) for limit in LIMITS) if total else (),
    )


def _sample(intervals: Sequence[Interval]) -> list[Interval]:
    """Return intervals spread over all, few enough to look at each closely."""
    return list(intervals[:: max(1, len(intervals) // SAMPLE)])


def _asked(choice: Choice, total: int, tampered: int) -> tuple[int, Fraction | None]:
    if isinstance(choice, Given):
        return len(choice.numbers), None
    count = min(choice.count, total) if isinstance(choice, Count) else 0
    if isinstance(choice, Risk) and total:
        count = needed(total, tampered, choice.limit)
    return count, miss_probability(total, count, tampered) if total else None


def _row(limit: Fraction, total: int, tampered: int, usable: int, seconds: float) -> Row:
    count = needed(total, tampered, limit)
    return Row(limit, count if count <= usable else None, count * seconds)


def _start_seconds(run: RecordedRun) -> float:
    """Return the longest time a process took from the command's start to its first step."""
    started = run.opened.body.get("started_ns")
    if not isinstance(started, int):
        return 0.0
    firsts = [
        s.steps[0].began_ns - started for s in run.streams.values() if s.restart == 0 and 0 in s.steps
    ]
    return max(0.0, max(firsts, default=0) / 1e9)


def _training_seconds(run: RecordedRun) -> float:
    started = run.opened.body.get("started_ns")
    ends = [max(step.ended_ns for step in s.steps.values()) for s in run.streams.values() if s.steps]
    if not isinstance(started, int) or not ends:
        return 0.0
    return max(0.0, (max(ends) - started) / 1e9)


def _seconds(run: RecordedRun, interval: Interval, start: float) -> float:
    """Estimate a replay: the script's start, its warm-up steps and the interval, as long as they took."""
    warm_up = (places(run, interval) or [0])[0]
    longest = 0.0
    for name in interval.streams:
        stream = run.streams[name]
        spent = _between(stream, interval.start, interval.stop) + _between(stream, 0, warm_up)
        longest = max(longest, spent)
    return start + longest


def _between(stream: StreamRecord, start: int, stop: int) -> float:
    if start >= stop or start not in stream.steps or stop - 1 not in stream.steps:
        return 0.0
    before = stream.steps.get(start - 1)
    began = before.ended_ns if before else stream.steps[start].began_ns
    return max(0.0, (stream.steps[stop - 1].ended_ns - began) / 1e9)
