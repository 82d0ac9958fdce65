"""Judging intervals again under guises; see `pretend.varied`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from veristep.core.verdicts import Verdict
from veristep.errors import VeristepError
from veristep.replay.audit import CIRCUMSTANCE, Auditor, Judged
from veristep.replay.order import Difference
from veristep.replay.plan.intervals import places
from veristep.replay.pretend.varied import VARIED, everything

# A script that waits for ranks that are not there is not waited for longer than this.
LIMIT_FACTOR, LIMIT_SECONDS = 5.0, 60.0
SAME, OTHER, REFUSED = "same", "other", "refused"


def pretend(auditor: Auditor, judged: Sequence[Judged], count: int) -> list[Judged]:
    """Replay up to `count` of the verified intervals under guises.

    What was varied, and what the script does not run under, is told in the auditor's facts.
    """
    chosen = [each for each in judged if each.verdict is Verdict.VERIFIED][:count]
    if not chosen:
        return list(judged)
    limit, auditor.limit_seconds = auditor.limit_seconds, _limit(chosen)
    refused: set[str] = set()
    try:
        again = {each.interval: _judge(auditor, each, refused) for each in chosen}
    except VeristepError as error:
        auditor.facts["pretended"] = f"not at all: {error.message}"
        return list(judged)
    finally:
        auditor.limit_seconds = limit
    varied = ", ".join(name for name in _names(auditor, chosen[0]) if name not in refused)
    told = f"{varied} varied in {len(chosen)} interval{'s' if len(chosen) > 1 else ''}"
    left = f"; the script does not run with these varied: {', '.join(sorted(refused))}" if refused else ""
    auditor.facts["pretended"] = told + left
    return [again.get(each.interval, each) for each in judged]


def _judge(auditor: Auditor, judged: Judged, refused: set[str]) -> Judged:
    names = [name for name in _names(auditor, judged) if name not in refused]
    outcome, together = _under(auditor, judged, names)
    if outcome == SAME:
        return judged
    guilty: dict[str, tuple[str, Difference]] = {}
    for name in names:
        alone, found = _under(auditor, judged, [name])
        if alone == REFUSED:
            refused.add(name)
        elif found is not None and _under(auditor, judged, [name]) == (OTHER, found):
            guilty[name] = found
    if not guilty and together is not None and _under(auditor, judged, names) == (OTHER, together):
        guilty["all of these together"] = together
    if not guilty:
        return judged
    stream, difference = min(guilty.values(), key=lambda each: each[1].step)
    named = replace(
        difference,
        what=CIRCUMSTANCE,
        detail=f"{difference.what} differs when varied: {', '.join(guilty)}",
        tensors=[*guilty],
    )
    reason = f"the result depends on {', '.join(guilty)}"
    return replace(judged, verdict=Verdict.VIOLATED, reason=reason, difference=(stream, named))


def _under(auditor: Auditor, judged: Judged, names: list[str]) -> tuple[str, tuple[str, Difference] | None]:
    """Return whether the interval comes out the same under a guise, and where it does not."""
    guise = everything(names)
    starts = places(auditor.run, judged.interval)
    warm_up = starts[-1] if guise.counts_on else starts[0]
    execution = auditor.replay(judged.interval, warm_up, guise=guise)
    again = auditor.read(judged.interval, execution)
    if again.difference is not None:
        return OTHER, again.difference
    return (SAME, None) if again.verdict is Verdict.VERIFIED else (REFUSED, None)


def _names(auditor: Auditor, judged: Judged) -> list[str]:
    """Return what can be varied here: the world of several ranks is what it is."""
    alone = len(judged.interval.streams) == 1
    counts = len(places(auditor.run, judged.interval)) > 1
    left_out = {"variables of a large world": not alone, "how many steps the process has taken": not counts}
    return [name for name in VARIED if not left_out.get(name, False)]


def _limit(judged: Sequence[Judged]) -> float:
    return LIMIT_SECONDS + LIMIT_FACTOR * max(each.seconds for each in judged)
