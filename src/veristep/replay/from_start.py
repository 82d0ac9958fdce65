"""The audit without conditions: the whole script from its start, twice if it differs.

Nothing is put in place and nothing comes from the tape, so nothing needs to be taken as recorded. It costs
as much as the training did.
"""

from __future__ import annotations

from dataclasses import replace

from veristep.core.verdicts import Verdict
from veristep.errors import UsageError, VeristepError
from veristep.replay import order as words
from veristep.replay.audit import CAUSES, Auditor, Judged, own_differences, place_of, same_differences
from veristep.replay.execute import Execution
from veristep.replay.plan.intervals import Interval, Plan
from veristep.replay.pretend.varied import LATER
from veristep.replay.recorded import RecordedRun, StreamRecord


def whole(run: RecordedRun) -> Interval:
    """Return the run from its start as far as all its processes are on record, as one interval.

    Raises:
        UsageError: there is nothing to compare with.
    """
    streams = {name: each for name, each in run.streams.items() if each.restart == 0 and each.steps}
    stop = min((_recorded(stream) for stream in streams.values()), default=0)
    if not stop:
        raise UsageError(
            "no optimizer step at the start of the run is on record and sealed",
            hint="--from-start compares a run from its first step on; audit intervals instead",
        )
    closed = all(stop in stream.snapshots for stream in streams.values())
    return Interval(0, 0, stop, tuple(sorted(streams)), closed)


def plan_of(run: RecordedRun, interval: Interval) -> Plan:
    """Return the plan that consists of the whole run, with what it leaves out."""
    not_covered: dict[str, int] = {}
    left = {
        "process was started again within the run": sum(
            len(each.steps) for each in run.streams.values() if each.restart
        ),
        "after the first gap, or not sealed, or not reached by all ranks": sum(
            1 for name in interval.streams for step in run.streams[name].steps if step >= interval.stop
        ),
    }
    not_covered = {reason: count for reason, count in left.items() if count}
    return Plan((interval,), run.steps, not_covered)


def judge(auditor: Auditor, interval: Interval) -> Judged:
    """Run the script from its start and compare every step with the record."""
    try:
        first = auditor.replay(interval, 0, mode=words.FROM_START)
        judged = auditor.read(interval, first)
        if judged.verdict is Verdict.UNVERIFIED or not _suspicious(judged, first):
            return judged
        # Another date: a script that is seeded by the clock does not do the same twice.
        second = auditor.replay(interval, 0, mode=words.FROM_START, guise=LATER)
    except VeristepError as error:
        return Judged(interval, Verdict.UNVERIFIED, error.message)
    return _confirmed(judged, first, auditor.read(interval, second), second)


def _suspicious(judged: Judged, execution: Execution) -> bool:
    return judged.difference is not None or any(own.what != "rng" for _, own in own_differences(execution))


def _confirmed(judged: Judged, first: Execution, again: Judged, second: Execution) -> Judged:
    """Keep what differs in the same way twice; a script that differs from itself cannot be judged."""
    seconds = judged.seconds + again.seconds
    if again.verdict is Verdict.UNVERIFIED:
        return replace(again, seconds=seconds)
    if judged.difference is not None and not same_differences(first, second):
        step, what = judged.difference[1].step, judged.difference[1].what
        reason = (
            "the script is not deterministic: two executions from its start differ "
            f"(the first one from the record at step {step}, {what})"
        )
        return Judged(judged.interval, Verdict.UNVERIFIED, reason, seconds=seconds, output=judged.output)
    known = set(map(repr, own_differences(second)))
    found = [each for each in own_differences(first) if repr(each) in known]
    if judged.difference is not None:
        found.append(judged.difference)
    elif all(own.what == "rng" for _, own in found):
        # A generator that nothing was drawn from, seeded by what is not on record.
        return replace(judged, seconds=seconds)
    first_found = min(found, key=place_of)
    return replace(
        judged,
        verdict=Verdict.VIOLATED,
        reason=CAUSES[first_found[1].what],
        difference=first_found,
        seconds=seconds,
    )


def _recorded(stream: StreamRecord) -> int:
    """Return how many steps from the first one on are on record without a gap, and sealed."""
    stop = 0
    while stop in stream.steps and stop < stream.sealed:
        stop += 1
    return stop
