"""STEP009: a number of the training is unlike its history.

A signal, not a fact: trainings spike by themselves. It says where to look first.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from statistics import median
from typing import Any, Final

from veristep.core.verdicts import Finding, Severity
from veristep.guard.rule import Rule
from veristep.guard.step.told import place

RULE = Rule("STEP009", "a number of the training is unlike its history", Severity.INFO)

WINDOW: Final = 256
"""Steps of the run's own history that a number is compared with."""

FEWEST: Final = 64
BEYOND: Final = 8.0
"""Robust deviations from the median beyond which a number is told."""

_MOST_TOLD = 3
_NORMAL = 1.4826  # of a normal distribution, the standard deviation by the median deviation
_EVERY = 16


@dataclass(slots=True)
class Series:
    """One number over the steps of a process, on a logarithmic scale."""

    values: deque[float] = field(default_factory=lambda: deque(maxlen=WINDOW))
    middle: float = 0.0
    spread: float = 0.0
    taken: int = 0
    told: int = 0

    def add(self, value: float) -> float | None:
        """Take in a number; return by how many deviations it is off, where that is worth telling."""
        if not value > 0.0:
            return None
        level = math.log(value) if math.isfinite(value) else math.inf
        found = None
        if len(self.values) >= FEWEST:
            if self.taken % _EVERY == 0 or not self.spread:
                self.middle = median(self.values)
                self.spread = max(_NORMAL * median(abs(each - self.middle) for each in self.values), 0.02)
            off = abs(level - self.middle) / self.spread
            if off > BEYOND and self.told < _MOST_TOLD and self._stands_out(level):
                self.told += 1
                found = off
        self.taken += 1
        if math.isfinite(level):
            self.values.append(level)
        return found

    def _stands_out(self, level: float) -> bool:
        # Heavy tails are usual: it must also be twice as far off as anything in the window.
        return abs(level - self.middle) > 2 * max(abs(each - self.middle) for each in self.values)


class Signals:
    """Loss, gradient norm and step time of every process of a run."""

    def __init__(self) -> None:
        self._series: dict[tuple[str, str], Series] = {}
        self._ended: dict[str, int] = {}
        self.looked_at = 0

    def add(self, line: Mapping[str, Any]) -> list[Finding]:
        """Take in a step's line; return what is unlike its history."""
        self.looked_at += 1
        stream, optimizer = str(line.get("stream", "")), line.get("optimizer")
        numbers = {"loss": line.get("loss"), "gradient norm": line.get("grad_norm")}
        ended, last = line.get("ended_ns"), self._ended.get(stream)
        if isinstance(ended, int):
            self._ended[stream] = ended
            if last is not None and ended > last:
                numbers["step time"] = (ended - last) / 1e9
        found = []
        for name, value in numbers.items():
            if not isinstance(value, (int, float)):
                continue
            series = self._series.setdefault((stream, f"{name} {optimizer}"), Series())
            off = series.add(float(value))
            if off is not None:
                found.append(_finding(line, name, float(value), off, math.exp(series.middle)))
        return found


def _finding(line: Mapping[str, Any], name: str, value: float, off: float, usual: float) -> Finding:
    told = place(line)
    unit = " s" if name == "step time" else ""
    return RULE.finding(
        f"{name} of step {told.step} is {value:.4g}{unit}; over the {WINDOW} steps before it was about "
        f"{usual:.4g}{unit}",
        rank=told.rank,
        step=told.step,
        suspects=told.suspects,
        expected=f"about {usual:.4g}{unit}",
        got=f"{value:.4g}{unit}, {off:.0f} robust deviations off",
        hint=f"a signal: trainings spike by themselves; veristep audit --steps {told.step} tells",
    )
