"""Judging an interval on a machine that rounds otherwise than the run's."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from veristep.core.verdicts import Verdict
from veristep.replay import order as words
from veristep.replay.noise.likeness import VARIED, of_run, variations
from veristep.replay.noise.significance import FALSE_ALARM, REPLAYS, Held, hold
from veristep.replay.order import Difference, Sampled

if TYPE_CHECKING:
    from collections.abc import Mapping

    from veristep.replay.audit import Auditor, Judged
    from veristep.replay.execute import Execution
    from veristep.replay.plan.intervals import Interval


def judge(auditor: Auditor, interval: Interval, warm_up: int, judged: Judged, first: Execution) -> Judged:
    """Judge an interval whose replay differs, and so does what decides the last bits.

    First the run's thread count and instruction set are put in place, where this processor has them: then
    every bit is demanded again. Where that cannot be, the interval is held against rounding noise.
    """
    recorded, here = _platforms(auditor, interval, first)
    if not auditor.settled:
        likeness = of_run(recorded, here)
        if likeness.variables():
            again = auditor.under(likeness.variables()).judge(interval)
            note = f"replayed with the run's own {likeness}"
            return replace(again, seconds=again.seconds + first.seconds, notes=(*again.notes, note))
    return _held(auditor, interval, warm_up, judged, first)


def calibrate(auditor: Auditor, interval: Interval, warm_up: int, first: Execution) -> list[Execution]:
    """Replay an interval `REPLAYS` times under varied conditions, and observe what comes out."""
    recorded, here = _platforms(auditor, interval, first)
    return [
        auditor.under(likeness.variables()).replay(interval, warm_up, mode=words.OBSERVE, jitter=number)
        for number, likeness in enumerate(variations(recorded, here, REPLAYS), 1)
    ]


def _held(auditor: Auditor, interval: Interval, warm_up: int, judged: Judged, first: Execution) -> Judged:
    replays = calibrate(auditor, interval, warm_up, first)
    seconds = first.seconds + sum(each.seconds for each in replays)
    judged = replace(judged, seconds=seconds)
    bad = [each for each in replays if not _observed(each, interval)]
    if bad:
        reasons = [answer.reason for answer in bad[0].answers.values() if answer.reason]
        reason = bad[0].reason or next(iter(reasons), "it told nothing")
        return replace(judged, reason=f"{judged.reason}; rounding noise could not be measured: {reason}")
    held = {name: hold([each.answers[name].observed for each in replays]) for name in interval.streams}
    if any(each is None for each in held.values()):
        return replace(judged, reason=f"{judged.reason}; the record has no sketch to measure noise by")
    known = {name: each for name, each in held.items() if each is not None}
    beyond = {name: each for name, each in known.items() if each.first is not None}
    if not beyond:
        return _within(interval, judged, known)
    unvaried = [each for each in judged.platforms if each.partition(":")[0] not in VARIED]
    if unvaried:
        reason = "not deterministic across machines: further away than threads and instruction sets explain"
        return replace(judged, reason=f"{reason}, and so is {'; '.join(unvaried)}")
    name, worst = min(beyond.items(), key=lambda each: (each[1].first, each[0]))
    return _beyond(interval, judged, name, worst, replays)


def _within(interval: Interval, judged: Judged, held: Mapping[str, Held]) -> Judged:
    shows = [each.shows for each in held.values() if each.shows is not None]
    places = sum(each.places for each in held.values())
    reason = (
        f"within rounding noise, not bit for bit: {places} places held against {REPLAYS} replays"
        + (f"; a change of less than {max(shows):.2g} of an update would not show" if shows else "")
    )  # fmt: skip
    steps = (interval.stop - interval.start) * len(interval.streams)
    return replace(judged, verdict=Verdict.VERIFIED, reason=reason, steps=steps, in_noise=steps, output="")


def _beyond(
    interval: Interval, judged: Judged, stream: str, held: Held, replays: list[Execution]
) -> Judged:
    assert held.first is not None
    step, tensor = held.first
    detail = (
        f"{held.ratio:.0f} times as far from {REPLAYS} varied replays as they are from one another, "
        f"{held.limit:.0f} would be rounding (false-alarm rate {FALSE_ALARM:.1%} per interval)"
    )
    difference = Difference(
        step, "noise", [tensor], "", "", interval.start, detail, samples=_samples(stream, held, replays)
    )
    return replace(
        judged, verdict=Verdict.VIOLATED, reason=detail, difference=(stream, difference), output=""
    )


def _samples(stream: str, held: Held, replays: list[Execution]) -> list[Sampled]:
    """Return the recorded and the replayed update at the first place beyond: the replay nearest to it."""
    here = [
        [each for each in replay.answers[stream].observed if (each.step, each.tensor) == held.first]
        for replay in replays
    ]
    nearest = min(here, key=_distance)
    return [
        replace(
            each,
            recorded=[m + r - v for m, r, v in zip(each.moved, each.recorded, each.replayed, strict=True)],
            replayed=each.moved,
        )
        for each in nearest
        if len(each.moved) == len(each.recorded)
    ]


def _distance(lines: list[Sampled]) -> float:
    return sum((r - v) ** 2 for each in lines for r, v in zip(each.recorded, each.replayed, strict=True))


def _observed(execution: Execution, interval: Interval) -> bool:
    answers = execution.answers
    return set(interval.streams) <= set(answers) and all(
        answers[name].status == words.OBSERVED for name in interval.streams
    )


def _platforms(
    auditor: Auditor, interval: Interval, first: Execution
) -> tuple[Mapping[str, Any], Mapping[str, Any]]:
    name = next(each for each in interval.streams if each in first.answers)
    return auditor.run.streams[name].platform, first.answers[name].platform
