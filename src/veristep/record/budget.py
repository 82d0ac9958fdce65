"""How much a step may cost, decided from what steps and snapshots were measured to take."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field

# Below this a digest of even a tiny model is cut short, and its steps could not be told apart.
FLOOR_SECONDS = 0.00005
# Steps before the median of step times means anything; they are digested in full.
CALIBRATION_STEPS = 5
# The median is looked at again after this many steps.
LOOK_EVERY = 8
MIN_INTERVAL = 10
# One slow moment of the disk must not put the next snapshot off for a day.
COSTS, MAX_GROWTH = 3, 16
# How fast the measured cost of a digest follows the last one.
COST_WEIGHT = 1 / 8


@dataclass(slots=True)
class Allowance:
    """Time the digests of one step may take.

    Attributes:
        share: fraction of the median step time; 0 or less means without limit.
        seconds: for all digests of one step; None when nothing limits them.
        chance: share of steps that can have a digest, for steps too short to have one each.
    """

    share: float
    chance: float = 1.0
    seconds: float | None = None
    _times: deque[float] = field(default_factory=lambda: deque(maxlen=31))
    _taken: int = 0
    _cost: float = 0.0

    def took(self, seconds: float) -> None:
        """Note how long a step took, from one update to the next."""
        self._times.append(seconds)
        self._taken += 1
        if self._taken == CALIBRATION_STEPS or self._taken % LOOK_EVERY == 0:
            allowed = self.share * self.median
            self.seconds = None if self.share <= 0 else max(FLOOR_SECONDS, allowed)
            self.chance = min(1.0, allowed / self._cost) if self._cost else 1.0

    @property
    def median(self) -> float:
        """The median step time in seconds."""
        times = sorted(self._times)
        return times[len(times) // 2] if times else 0.0

    def cost(self, seconds: float) -> None:
        """Note how long a step's digests took that read as little as they can."""
        self._cost += (seconds - self._cost) * COST_WEIGHT if self._cost else seconds


@dataclass(slots=True)
class Cadence:
    """When the next snapshot is due.

    Attributes:
        interval: fixed number of steps between snapshots; 0 lets the cost decide.
        share: fraction of training time snapshots may cost.
    """

    interval: int
    share: float
    _costs: deque[float] = field(default_factory=lambda: deque(maxlen=COSTS))
    _spacing: int = MIN_INTERVAL

    def after(self, step: int, cost_seconds: float, step_seconds: float) -> int:
        """Return the step of the snapshot after the one at `step`.

        The cost is the middle one of the last few. The first snapshot, at step 0, tells little: it holds
        no optimizer state and no step has been timed. The next one then follows after `MIN_INTERVAL` steps.

        Args:
            step: where a snapshot was taken, or could not be.
            cost_seconds: time it took from training, and processor time in the background; 0 if none was.
            step_seconds: how long a step takes.
        """
        if self.interval:
            return step + self.interval
        if step == 0 or step_seconds <= 0:
            return step + MIN_INTERVAL
        if cost_seconds:
            self._costs.append(cost_seconds)
            costs = sorted(self._costs)
            needed = int(costs[len(costs) // 2] / self.share / step_seconds) + 1
            self._spacing = max(MIN_INTERVAL, min(MAX_GROWTH * self._spacing, needed))
        return step + self._spacing
