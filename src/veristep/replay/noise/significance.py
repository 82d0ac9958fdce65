"""Rounding or intent: whether a recorded interval lies as near to its replays as they lie to one another.

On another processor, or with another number of threads, honest results differ in their last bits, and the
difference grows from step to step. How much, is not known beforehand: it is measured. The interval is
replayed `REPLAYS` times under varied conditions, and at each place (a step and a tensor that the run's
sketch shows) the spread of the replays is what the recorded values are held against:

    a_i = root mean square of (replay i - mean of the other replays) at a place,
    s   = median of the a_i at that place,
    m_i = maximum over all places of log(a_i / s).

The recorded interval gets its own m in the same way. Were it one more honest replay, its m would come from
where the m_i come from. With logarithms of amplitudes as normal (perturbations of a training grow by
factors), it exceeds ``mean + t sd sqrt(1 + 1/REPLAYS)`` with probability `FALSE_ALARM`: Student's
prediction bound for one further observation. All places together give one number, so there is one test per
interval and process.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from veristep.replay.order import Sampled

REPLAYS = 8
# Probability that an honest interval is called different.
FALSE_ALARM = 1e-3
# Student's t at 1 - FALSE_ALARM with REPLAYS - 1 = 7 degrees of freedom.
_T = 4.7853
# Eight replays can agree by luck: their spread of m is not believed to be smaller than this.
_MIN_SPREAD = 0.25
# Where the replays agree entirely, two units in the last place of float32 count as rounding.
_ROUNDING, _TINY = 2.0**-22, 1e-12


class Place(NamedTuple):
    """One step and one tensor that the run's sketch shows."""

    step: int
    tensor: str


@dataclass(frozen=True, slots=True)
class Held:
    """A recorded interval held against the spread of its replays.

    Attributes:
        within: whether it lies within it.
        places: how many places were compared.
        ratio: how many times the typical distance between replays the recorded values are away, at most.
        limit: how many times they may be.
        first: the first place where they are further away; None when they are within.
        size: there, the distance over the size of the replays' update.
        shows: the smallest change, as a fraction of one update, that would be further away, at half of the
            places; None where no update is known.
    """

    within: bool
    places: int
    ratio: float
    limit: float
    first: Place | None
    size: float | None
    shows: float | None


@dataclass(frozen=True, slots=True)
class _Spread:
    """One place: distances of each replay and of the record, and the size of the update there."""

    place: Place
    distances: Sequence[float]
    recorded: float
    floor: float
    update: float

    @property
    def typical(self) -> float:
        return max(statistics.median(self.distances), self.floor)

    def score(self, distance: float) -> float:
        return math.log(max(distance, self.floor) / self.typical) if math.isfinite(distance) else math.inf


def hold(replays: Sequence[Sequence[Sampled]]) -> Held | None:
    """Hold what was recorded against what `replays` observed; None when there is nothing to compare.

    Args:
        replays: per replay, what it observed: the same lines of the same steps in each.
    """
    spreads = [_spread(lines) for lines in _by_place(replays)]
    found = [each for each in spreads if each is not None]
    if not found:
        return None
    own = [max(each.score(each.distances[i]) for each in found) for i in range(len(replays))]
    spread = max(statistics.stdev(own), _MIN_SPREAD)
    limit = statistics.fmean(own) + _T * spread * math.sqrt(1 + 1 / len(replays))
    beyond = [each for each in found if each.score(each.recorded) > limit]
    first = min(beyond, key=lambda each: each.place) if beyond else None
    worst = max(each.score(each.recorded) for each in found)
    shown = [math.exp(limit) * each.typical / each.update for each in found if each.update > 0]
    return Held(
        within=not beyond,
        places=len(found),
        ratio=math.exp(worst),
        limit=math.exp(limit),
        first=first.place if first else None,
        size=first.recorded / first.update if first and first.update > 0 else None,
        shows=statistics.median(shown) if shown else None,
    )


def _by_place(replays: Sequence[Sequence[Sampled]]) -> list[list[list[Sampled]]]:
    """Return, per place, the lines of each replay there."""
    places: dict[Place, list[list[Sampled]]] = {}
    for number, replay in enumerate(replays):
        for line in replay:
            lines = places.setdefault(Place(line.step, line.tensor), [[] for _ in replays])
            lines[number].append(line)
    return list(places.values())


def _spread(lines: Sequence[Sequence[Sampled]]) -> _Spread | None:
    """Return the spread at a place; None where a replay saw nothing of it or is no number."""
    values = [[value for line in each for value in line.replayed] for each in lines]
    finite = all(math.isfinite(value) for each in values for value in each)
    if not finite or len({len(each) for each in values}) != 1:
        return None
    recorded = [value for line in lines[0] for value in line.recorded]
    mean = [math.fsum(column) / len(lines) for column in zip(*values, strict=True)]
    # From the mean of the others: (n x - sum) / (n - 1).
    others = len(lines) / (len(lines) - 1)
    distances = [others * _rms([v - m for v, m in zip(each, mean, strict=True)]) for each in values]
    return _Spread(
        Place(lines[0][0].step, lines[0][0].tensor),
        distances,
        _rms([value - middle for value, middle in zip(recorded, mean, strict=True)]),
        _ROUNDING * _rms(mean) + _TINY,
        _rms([value for line in lines[0] for value in line.moved]),
    )


def _rms(values: Sequence[float]) -> float:
    if not values:
        return 0.0
    if not all(map(math.isfinite, values)):
        return math.inf
    return math.sqrt(math.fsum(value * value for value in values) / len(values))
