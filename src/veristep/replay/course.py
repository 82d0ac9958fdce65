"""What an audit's verdicts add up to beyond themselves: the risk left, the stretches, what descends."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

from veristep.core.canonical import Json
from veristep.core.verdicts import Verdict
from veristep.replay.audit import Judged
from veristep.replay.draw.derive import Binding, Draw
from veristep.replay.plan.choice import Given, Risk
from veristep.replay.plan.intervals import Plan
from veristep.replay.plan.risk import meant, miss_probability
from veristep.replay.plan.schedule import Schedule
from veristep.replay.plan.stretch import Stretch, stretches


@dataclass(frozen=True, slots=True)
class Bound:
    """The chance of having missed all of `tampered` intervals, tampered with in a way a replay shows."""

    tampered: int
    chance: Fraction

    def to_json(self) -> dict[str, Json]:
        """Return the JSON form."""
        return {"tampered_intervals": self.tampered, "chance_missed": float(self.chance)}


@dataclass(frozen=True, slots=True)
class Course:
    """How an audit went.

    Attributes:
        binding: what keeps the auditor from steering the draw.
        why_fresh: why the nonce was not committed to; empty when it was.
        given: whether the intervals were named rather than drawn.
        drawn: intervals drawn, those judged around a mismatch left out.
        clean: of them, replayed clean.
        unjudged: of them, those that could not be judged.
        bounds: the risk left; empty when nothing was drawn or something was found.
        limit: the bound that was asked for, with whether it holds.
        stretches: violated intervals that hang together.
        tainted_from: the first violated step found; every state after it descends from a changed one.
        earlier: intervals before that step, and how many of them were replayed clean.
    """

    binding: Binding
    why_fresh: str
    given: bool
    drawn: int
    clean: int
    unjudged: int
    bounds: tuple[Bound, ...]
    limit: tuple[Risk, Bound, bool] | None
    stretches: tuple[Stretch, ...]
    tainted_from: int | None
    earlier: tuple[int, int]

    @classmethod
    def of(cls, plan: Plan, schedule: Schedule, draw: Draw, judged: Sequence[Judged]) -> Course:
        """Sum up an audit that is done."""
        verdicts = {each.interval.number: each.verdict for each in judged}
        drawn = schedule.drawn(verdicts)
        found = [verdicts[number] for number in drawn]
        clean = found.count(Verdict.VERIFIED)
        violated = Verdict.VIOLATED in verdicts.values()
        total = schedule.total
        limit = None
        if isinstance(schedule.choice, Risk) and total:
            tampered = meant(total, schedule.choice.tampered)
            bound = Bound(tampered, miss_probability(total, clean, tampered))
            limit = (schedule.choice, bound, bound.chance <= schedule.choice.limit and not violated)
        bounds: tuple[Bound, ...] = ()
        if drawn and not violated:
            counts = {1, meant(total, Fraction(1, 100)), meant(total, Fraction(1, 10))}
            bounds = tuple(Bound(m, miss_probability(total, clean, m)) for m in sorted(counts))
        steps = {each.interval.number: each.difference[1].step for each in judged if each.difference}
        tainted = min(steps.values(), default=None)
        before = [each for each in plan.intervals if tainted is not None and each.stop <= tainted]
        return cls(
            binding=draw.binding,
            why_fresh=draw.why_fresh,
            given=isinstance(schedule.choice, Given),
            drawn=len(drawn),
            clean=clean,
            unjudged=found.count(Verdict.UNVERIFIED),
            bounds=bounds,
            limit=limit,
            stretches=stretches(plan.intervals, verdicts, steps),
            tainted_from=tainted,
            earlier=(len(before), sum(verdicts.get(e.number) is Verdict.VERIFIED for e in before)),
        )

    @property
    def falls_short(self) -> bool:
        """Whether a risk limit was asked for and does not hold."""
        return self.limit is not None and not self.limit[2]

    def to_json(self) -> dict[str, Json]:
        """Return the fields of the JSON form."""
        limit: Json = None
        if self.limit is not None:
            asked, bound, reached = self.limit
            limit = {**asked.to_json(), **bound.to_json(), "reached": reached}
        return {
            "drawn": self.drawn,
            "binding": "given" if self.given else self.binding.value,
            "risk": [bound.to_json() for bound in self.bounds],
            "risk_limit": limit,
            "stretches": [each.to_json() for each in self.stretches],
            "tainted_from": self.tainted_from,
        }
