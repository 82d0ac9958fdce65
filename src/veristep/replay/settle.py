"""Settling what replays of intervals took as recorded: one execution from the start shows the script's own.

In an interval the script stands elsewhere in its own course, so some of its batches, learning rates and
random states cannot be compared there, and some differ for honest reasons. Run from its start as far as the
judged intervals reach, it makes each of them by itself at its own place. That costs as much as the
training took up to there, so it is done only when that is within a budget.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from veristep.core.verdicts import Verdict
from veristep.errors import VeristepError
from veristep.replay import order as words
from veristep.replay.audit import CAUSES, Auditor, Judged, own_differences, place_of
from veristep.replay.execute import Execution
from veristep.replay.order import Conditions, Difference
from veristep.replay.plan import Interval, places
from veristep.replay.pretend import LATER

# Without a budget of one's own: as much as the replays took, and at least this.
MIN_BUDGET_SECONDS = 60.0
VARIES = "the script makes another one each time it is started"
_NAMES = {
    "hyperparameter": words.HYPERPARAMETERS,
    "batch": words.BATCHES,
    "rng": words.RANDOM_STATES,
}

Own = list[tuple[str, Difference]]


def settle(auditor: Auditor, judged: Sequence[Judged], budget: float | None = None) -> list[Judged]:
    """Return the verdicts with the script's own inputs compared at their own places, where affordable.

    Args:
        auditor: executes the script.
        judged: the verdicts on intervals.
        budget: seconds the execution from the start may take; None for as much as the replays took.
    """
    open_ones = [each for each in judged if each.verdict is Verdict.VERIFIED and _is_open(each)]
    if not open_ones:
        return list(judged)
    if budget is None:
        budget = max(MIN_BUDGET_SECONDS, sum(each.seconds for each in judged))
    last = max((each.interval for each in open_ones), key=lambda interval: interval.stop)
    prefix = Interval(0, 0, last.stop, last.streams, closed=False)
    try:
        affordable = auditor.seconds_up_to(prefix) <= budget
        found = _own_from_start(auditor, prefix, open_ones) if affordable else None
        if found is None:
            return [_by_itself(auditor, each) for each in judged]
    except VeristepError:
        return list(judged)
    own, recurring = found
    return [_settled(each, own, recurring) if each in open_ones else each for each in judged]


def _by_itself(auditor: Auditor, judged: Judged) -> Judged:
    """Accuse what an interval shows by itself, twice: one batch or value among others that are right.

    That the others agree shows that the order, or the schedule, is the right one to compare with; a script
    that changes it by hand does not change it back within the interval.
    """
    if judged.verdict is not Verdict.VERIFIED:
        return judged
    clear = [found for found in judged.suspicions if _is_clear(judged, found)]
    if not clear:
        return judged
    second = auditor.replay(judged.interval, places(auditor.run, judged.interval)[-1])
    again = set(map(repr, own_differences(second)))
    accused = [found for found in clear if repr(found) in again]
    return _accused(judged, accused) if accused else judged


def _is_clear(judged: Judged, found: tuple[str, Difference]) -> bool:
    stream, difference = found
    if difference.detail not in (words.OFF_SCHEDULE, words.OFF_ORDER):
        return False
    steps = {
        other.step
        for name, other in judged.suspicions
        if name == stream and other.what == difference.what and other.detail == difference.detail
    }
    checked = judged.conditions[_NAMES[difference.what]].get(words.CHECKED, 0)
    inside = judged.interval.start < min(steps) and max(steps) < judged.interval.stop - 1
    return inside and checked > len(steps) * len(judged.interval.streams)


def _accused(judged: Judged, found: Own) -> Judged:
    first = min(found, key=place_of)
    return replace(
        judged,
        verdict=Verdict.VIOLATED,
        reason=CAUSES[first[1].what],
        difference=first,
        suspicions=(),
    )


def _is_open(judged: Judged) -> bool:
    outcomes = [outcome for counts in judged.conditions.values() for outcome in counts]
    return bool(judged.suspicions) or any(outcome != words.CHECKED for outcome in outcomes)


def _own_from_start(
    auditor: Auditor, prefix: Interval, judged: Sequence[Judged]
) -> tuple[Own, set[str]] | None:
    """Return what the script makes otherwise by itself, and which of it twice; None if that fails."""
    first = auditor.replay(prefix, 0, mode=words.CONDITIONS)
    if not _followed(first):
        return None
    own = own_differences(first)
    if not any(_inside(each, found) for each in judged for found in own):
        return own, set()
    # Another date: a script that is seeded by the clock does not do the same twice.
    second = auditor.replay(prefix, 0, mode=words.CONDITIONS, guise=LATER)
    if not _followed(second):
        return None
    again = set(map(repr, own_differences(second)))
    return own, {repr(each) for each in own if repr(each) in again}


def _followed(execution: Execution) -> bool:
    """Whether an execution went all the way and compared everything it came by."""
    answers = execution.answers.values()
    outcomes = [outcome for each in answers for counts in each.conditions.values() for outcome in counts]
    return (
        not execution.reason
        and all(each.status == words.MATCHED for each in answers)
        and all(outcome in (words.CHECKED, words.OWN_OUTCOME) for outcome in outcomes)
    )


def _settled(judged: Judged, own: Own, recurring: set[str]) -> Judged:
    here = [found for found in own if _inside(judged, found)]
    accused = [found for found in here if repr(found) in recurring and _accuses(found[1])]
    if accused:
        return _accused(judged, accused)
    conditions: Conditions = {}
    total = (judged.interval.stop - judged.interval.start) * len(judged.interval.streams)
    for what, name in _NAMES.items():
        varying = {(stream, found.step) for stream, found in here if found.what == what and _counts(found)}
        conditions[name] = {words.CHECKED: total - len(varying), VARIES: len(varying)}
        conditions[name] = {outcome: count for outcome, count in conditions[name].items() if count}
    return replace(judged, conditions=conditions, suspicions=())


def _inside(judged: Judged, found: tuple[str, Difference]) -> bool:
    stream, difference = found
    inside = judged.interval.start <= difference.step < judged.interval.stop
    return inside and stream in judged.interval.streams


def _accuses(found: Difference) -> bool:
    """Whether a difference that is the same twice is a finding.

    NumPy's and Python's generators are drawn from by libraries too, for file names and waiting times, and
    more so in a run that was online; where a training draws from them its batches differ as well.
    """
    return found.what != "rng" or (_counts(found) and found.step > 0)


def _counts(found: Difference) -> bool:
    return found.what != "rng" or bool({"torch", "cuda"} & set(found.tensors))
