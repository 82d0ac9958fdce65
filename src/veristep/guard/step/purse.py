"""What looking at updates may cost, and how it is spent."""

from __future__ import annotations

import math
import os
from dataclasses import dataclass

SHARE = 0.004
"""Part of a step's time, on average, that goes into looking at it."""

FLOOR_SECONDS = 40e-6
"""Spent per step on average however short steps are."""

CALIBRATION_STEPS = 5
FEWEST, MOST = 2, 16
_WEIGHT = 1 / 8


@dataclass(slots=True)
class Purse:
    """Decides how many tensors of a step are looked at; on short steps most often none.

    Attributes:
        seconds: spent so far, on both threads.
    """

    seconds: float = 0.0
    _steps: int = 0
    _training: float = 60e-6
    _worker: float = 200e-6

    def tensors(self, step_seconds: float) -> int:
        """Return how many tensors of this step are looked at; nobody can foresee at which steps none are.

        Args:
            step_seconds: median time of a step; 0 while it is unknown, infinite where every step counts.
        """
        if step_seconds == math.inf:
            return MOST
        self._steps += 1
        if self._steps <= CALIBRATION_STEPS:
            return FEWEST
        allowed = max(FLOOR_SECONDS, SHARE * step_seconds)
        each = self._training + self._worker
        most = int(allowed / each)
        if most >= FEWEST:
            return min(most, MOST)
        thrown = int.from_bytes(os.urandom(2), "little")
        return FEWEST if thrown * each * FEWEST < allowed * 65536 else 0

    def paid(self, seconds: float, tensors: int) -> None:
        """Note what copying took from the training thread."""
        self.seconds += seconds
        if tensors and self._steps > 1:
            self._training += (seconds / tensors - self._training) * _WEIGHT

    def worked(self, seconds: float, tensors: int) -> None:
        """Note what computing took on the worker thread, in processor time."""
        self.seconds += seconds
        if tensors and self._steps > 1 and seconds < 0.05:  # the first compiles the pristine source
            self._worker += (seconds / tensors - self._worker) * _WEIGHT
