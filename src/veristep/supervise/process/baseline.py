"""What the processes of a project's runs start and connect to: learned from run to run."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from veristep.core.canonical import Json

ENTRY = "run.processes"
# A project's first runs have nothing to be compared with.
FEWEST_RUNS = 3
_MOST = 400

Habit = tuple[str, ...]


@dataclass(slots=True)
class Baseline:
    """What runs do by habit.

    Attributes:
        runs: how many are on record.
        known: what they did.
        seen: what this one did, in words that hold from run to run.
    """

    runs: int = 0
    known: set[Habit] = field(default_factory=set)
    seen: set[Habit] = field(default_factory=set)

    @classmethod
    def of(cls, bodies: Iterable[Mapping[str, Any]]) -> Baseline:
        """Return the baseline that entries of earlier runs make."""
        runs, known = 0, set()
        for body in bodies:
            runs += 1
            habits = body.get("habits", [])
            known |= {
                tuple(str(word) for word in each) for each in habits if isinstance(each, (list, tuple))
            }
        return cls(runs, known)

    def unknown(self, habit: Habit) -> bool:
        """Take in what this run does; whether no earlier run did, when there are enough to say so.

        What is a finding is not learned: it would be no finding any more in the next run.
        """
        if habit in self.known:
            self.seen.add(habit)
            return False
        if self.runs >= FEWEST_RUNS:
            return True
        self.seen.add(habit)
        return False

    def body(self, causes: Mapping[str, Json]) -> dict[str, Json]:
        """Return the body of this run's entry."""
        return {"habits": [list(habit) for habit in sorted(self.seen)[:_MOST]], "stalls": dict(causes)}
