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
from veristep.replay.plan.intervals import Interval, places
from veristep.replay.pretend.varied import LATER

# Without a budget of one's own: as much as the replays took, and at least this.
MIN_BUDGET_SECONDS = 60.0
VARIES = "the script makes another one each time it is started"
UNSETTLED = (
    "the {what} of step {step} is odd ({detail}), at an end of the interval, where the script may have "
    "changed it: only a run from the start tells (--conditions-budget, --from-start)"
)
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
        found = _own_from_start(auditor, prefix) if affordable else None
        if found is None:
            return [_by_itself(auditor, each) for each in judged]
    except VeristepError:
        return list(judged)
    own, recurring = found
    settled = [_settled(each, own, recurring) if each in open_ones else each for each in judged]
    certain = [each for each in own if repr(each) in recurring and _accuses(each[1])]
    return _with_what_came_before(settled, certain)


def _by_itself(auditor: Auditor, judged: Judged) -> Judged:
    """Accuse what an interval shows by itself, twice: one batch or value among others that are right.

    That the others agree shows that the order, or the schedule, is the right one to compare with; a script
    that changes it by hand does not change it back within the interval. A single one at the interval's edge
    may be where such a change begins or ends: it is not accused, and nothing is verified either.
    """
    if judged.verdict is not Verdict.VERIFIED:
        return judged
    odd = [found for found in judged.suspicions if _is_odd(judged, found)]
    clear = [found for found in odd if not _at_edge(judged, found, odd)]
    if not clear:
        return _unsettled(judged, odd)
    second = auditor.replay(judged.interval, places(auditor.run, judged.interval)[-1])
    again = set(map(repr, own_differences(second)))
    accused = [found for found in clear if repr(found) in again]
    return _accused(judged, accused) if accused else judged


def _is_odd(judged: Judged, found: tuple[str, Difference]) -> bool:
    """Whether it is one of few that leave an order or a schedule which the others keep to."""
    difference = found[1]
    if difference.detail not in (words.OFF_SCHEDULE, words.OFF_ORDER):
        return False
    checked = judged.conditions[_NAMES[difference.what]].get(words.CHECKED, 0)
    return checked > len(_steps_like(found, judged.suspicions)) * len(judged.interval.streams)


def _at_edge(judged: Judged, found: tuple[str, Difference], odd: Sequence[tuple[str, Difference]]) -> bool:
    """Whether all steps from it to an end of the interval are odd."""
    step, steps = found[1].step, _steps_like(found, odd)
    before, after = range(judged.interval.start, step + 1), range(step, judged.interval.stop)
    return steps.issuperset(before) or steps.issuperset(after)


def _steps_like(found: tuple[str, Difference], others: Sequence[tuple[str, Difference]]) -> set[int]:
    stream, difference = found
    return {
        other.step
        for name, other in others
        if (name, other.what, other.detail) == (stream, difference.what, difference.detail)
    }


def _unsettled(judged: Judged, odd: Sequence[tuple[str, Difference]]) -> Judged:
    """Return what is left to say where steps at an interval's edge are odd: of a single one, that it is."""
    single = [found for found in odd if len(_steps_like(found, odd)) == 1]
    if not single:
        return judged
    difference = min(single, key=place_of)[1]
    reason = UNSETTLED.format(what=difference.what, step=difference.step, detail=difference.detail)
    return replace(judged, verdict=Verdict.UNVERIFIED, reason=reason)


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


def _own_from_start(auditor: Auditor, prefix: Interval) -> tuple[Own, set[str]] | None:
    """Return what the script makes otherwise by itself, and which of it twice; None if that fails."""
    first = auditor.replay(prefix, 0, mode=words.CONDITIONS)
    if not _followed(first):
        return None
    own = own_differences(first)
    if not any(_accuses(found) for _, found in own):
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
    certain = [found for found in own if repr(found) in recurring]
    accused = [found for found in here if found in certain and _accuses(found[1])]
    accused += _used_in(judged, certain)
    if accused:
        return _accused(judged, accused)
    conditions: Conditions = {}
    total = (judged.interval.stop - judged.interval.start) * len(judged.interval.streams)
    for what, name in _NAMES.items():
        varying = {(stream, found.step) for stream, found in here if found.what == what and _counts(found)}
        conditions[name] = {words.CHECKED: total - len(varying), VARIES: len(varying)}
        conditions[name] = {outcome: count for outcome, count in conditions[name].items() if count}
    return replace(judged, conditions=conditions, suspicions=())


def _with_what_came_before(judged: Sequence[Judged], certain: Own) -> list[Judged]:
    """Accuse too what the run from the start showed at steps before an interval that none of these has.

    It went there to come to the interval, and what was seen is told: the next verified interval carries it.
    """
    told = {(stream, each.expected, each.got) for stream, each in _differences(judged)}
    left = [
        (stream, each)
        for stream, each in certain
        if (stream, each.expected, each.got) not in told
        and not any(_inside(one, (stream, each)) for one in judged)
    ]
    result = list(judged)
    for place, one in sorted(enumerate(result), key=lambda numbered: numbered[1].interval.start):
        mine = [
            each for each in left if each[1].step < one.interval.start and each[0] in one.interval.streams
        ]
        if mine and one.verdict is Verdict.VERIFIED:
            result[place] = _accused(one, mine)
            left = [each for each in left if each not in mine]
    return result


def _differences(judged: Sequence[Judged]) -> Own:
    return [each.difference for each in judged if each.difference is not None]


def _inside(judged: Judged, found: tuple[str, Difference]) -> bool:
    stream, difference = found
    inside = judged.interval.start <= difference.step < judged.interval.stop
    return inside and stream in judged.interval.streams


def _used_in(judged: Judged, own: Own) -> Own:
    """Return the interval's batches that were fetched before it, and are not the script's own there.

    A run from the start shows a batch at the step that fetched it, an interval at the step that used it.
    """
    before = {
        (stream, each.expected, each.got)
        for stream, each in own
        if each.what == "batch" and each.step < judged.interval.start
    }
    return [
        (stream, each)
        for stream, each in judged.suspicions
        if each.what == "batch" and (stream, each.expected, each.got) in before
    ]


def _accuses(found: Difference) -> bool:
    """Whether a difference that is the same twice is a finding.

    NumPy's and Python's generators are drawn from by libraries too, for file names and waiting times, and
    more so in a run that was online; where a training draws from them its batches differ as well.
    """
    return found.what != "rng" or (_counts(found) and found.step > 0)


def _counts(found: Difference) -> bool:
    return found.what != "rng" or bool({"torch", "cuda"} & set(found.tensors))
