"""Which intervals come next: a pure function of the draw, the choice and the verdicts so far.

An audit proceeds in rounds; a round is judged completely before the next is decided. So the intervals an
audit replays do not depend on the engine, on how many workers it has or which of them was quicker, and
anybody who knows the draw and the verdicts can check that none was left out.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from fractions import Fraction

from veristep.core.verdicts import Verdict
from veristep.replay.plan import stretch
from veristep.replay.plan.choice import Choice, Count, Given, Risk
from veristep.replay.plan.risk import meant, miss_probability, needed

# The first round of an audit to a risk limit; each further one is as large as all before it. A mismatch
# ends the drawing, so the rounds bound what is replayed in vain after it, and leave wide engines work.
FIRST_ROUND = 8


class Why(StrEnum):
    """Why an interval is replayed."""

    GIVEN = "asked for"
    DRAWN = "drawn"
    NEIGHBOUR = "around a mismatch"


@dataclass(frozen=True, slots=True)
class Round:
    """Intervals, by number, that can be judged in any order, and why."""

    why: Why
    numbers: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Schedule:
    """An audit's course.

    Attributes:
        order: the numbers of all intervals in the order in which they are drawn.
        choice: what was asked for.
        escalate: whether a mismatch has its surroundings replayed too.
    """

    order: tuple[int, ...]
    choice: Choice
    escalate: bool = True

    @property
    def total(self) -> int:
        """Intervals there are to draw from."""
        return len(self.order)

    def next_round(self, verdicts: Mapping[int, Verdict]) -> Round | None:
        """Return what is to be judged next, given the verdicts by number; None when the audit is done."""
        asked, why = self._asked(verdicts)
        missing = tuple(number for number in asked if number not in verdicts)
        if missing:
            return Round(why, missing)
        if not self.escalate:
            return None
        mismatches = [number for number in asked if verdicts[number] is Verdict.VIOLATED]
        around = stretch.probes(mismatches, verdicts, self.total)
        return Round(Why.NEIGHBOUR, tuple(around)) if around else None

    def drawn(self, verdicts: Mapping[int, Verdict]) -> tuple[int, ...]:
        """Return the intervals drawn so far: the ones a stated risk may rest on."""
        return () if isinstance(self.choice, Given) else self._asked(verdicts)[0]

    def reached(self, verdicts: Mapping[int, Verdict], share: Fraction) -> Fraction:
        """Return the chance of having missed it if `share` of the intervals were tampered with."""
        clean = sum(verdicts.get(number) is Verdict.VERIFIED for number in self.drawn(verdicts))
        return miss_probability(self.total, clean, meant(self.total, share)) if self.total else Fraction(1)

    def _asked(self, verdicts: Mapping[int, Verdict]) -> tuple[tuple[int, ...], Why]:
        match self.choice:
            case Given(numbers):
                return numbers, Why.GIVEN
            case Count(count):
                return self.order[:count], Why.DRAWN
            case Risk():
                return self._until(self.choice, verdicts), Why.DRAWN

    def _until(self, choice: Risk, verdicts: Mapping[int, Verdict]) -> tuple[int, ...]:
        """Walk the rounds of an audit to a risk limit up to the one that is not judged yet.

        What could not be judged is not clean: others are drawn in its place.
        """
        if not self.total:
            return ()
        wanted = needed(self.total, meant(self.total, choice.tampered), choice.limit)
        count, clean = 0, 0
        while clean < wanted and count < self.total:
            count = min(self.total, count + min(wanted - clean, max(FIRST_ROUND, count)))
            drawn = self.order[:count]
            found = [verdicts.get(number) for number in drawn]
            if None in found or Verdict.VIOLATED in found:
                break
            clean = sum(verdict is Verdict.VERIFIED for verdict in found)
        return self.order[:count]


def rounds(schedule: Schedule, verdicts: Mapping[int, Verdict]) -> list[Round]:
    """Return the rounds an audit with these verdicts went through, the unfinished one last."""
    found: list[Round] = []
    known: dict[int, Verdict] = {}
    while (each := schedule.next_round(known)) is not None:
        found.append(each)
        missing = [number for number in each.numbers if number not in verdicts]
        if missing:
            break
        known |= {number: verdicts[number] for number in each.numbers}
    return found
