"""What an audit was asked to look at: written down before it looks, so that others can hold it to that."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from veristep.core.canonical import Json
from veristep.errors import MalformedError, UsageError
from veristep.replay.plan.intervals import Interval

MIN_DRAWN = 3
DEFAULT_COVERAGE = 0.1


@dataclass(frozen=True, slots=True)
class Given:
    """Intervals named by whoever audits: nothing is drawn, and no risk can be stated."""

    numbers: tuple[int, ...]

    def to_json(self) -> dict[str, Json]:
        """Return the form in which it is written down."""
        return {"kind": "given", "numbers": list(self.numbers)}


@dataclass(frozen=True, slots=True)
class Count:
    """So many intervals, drawn."""

    count: int

    def to_json(self) -> dict[str, Json]:
        """Return the form in which it is written down."""
        return {"kind": "count", "count": self.count}


@dataclass(frozen=True, slots=True)
class Risk:
    """As many intervals, drawn, as it takes.

    Attributes:
        limit: the chance of missing tampering that may be left.
        tampered: the share of the intervals that is meant to be tampered with, or more.
    """

    limit: Fraction
    tampered: Fraction

    def to_json(self) -> dict[str, Json]:
        """Return the form in which it is written down."""
        return {"kind": "risk", "limit": str(self.limit), "tampered": str(self.tampered)}


Choice = Given | Count | Risk


def from_json(value: object) -> Choice:
    """Read a choice that was written down.

    Raises:
        MalformedError: it is none.
    """
    try:
        fields: Mapping[str, Any] = value if isinstance(value, Mapping) else {}
        kind = fields.get("kind")
        if kind == "given":
            return Given(tuple(int(each) for each in fields["numbers"]))
        if kind == "count":
            return Count(int(fields["count"]))
        if kind == "risk":
            return Risk(Fraction(fields["limit"]), Fraction(fields["tampered"]))
    except (KeyError, TypeError, ValueError, ZeroDivisionError) as error:
        raise MalformedError(f"not the choice of an audit: {value!r}") from error
    raise MalformedError(f"not the choice of an audit: {value!r}")


def share(total: int, coverage: float) -> Count:
    """Return the choice of a share of `total` intervals, at least one."""
    return Count(min(total, max(1, round(total * coverage))))


def default(total: int) -> Count:
    """Return what is chosen when nobody says: a tenth, and at least three."""
    return Count(min(total, max(MIN_DRAWN, round(total * DEFAULT_COVERAGE))))


def containing(intervals: Sequence[Interval], span: str) -> Given:
    """Return the intervals that hold any of the steps ``A:B`` (B not included).

    Raises:
        UsageError: that is not a span of steps, or no interval holds any of them.
    """
    first, separator, last = span.partition(":")
    try:
        start = int(first or 0)
        stop = int(last) if last else (start + 1 if not separator else 1 << 62)
    except ValueError as error:
        raise UsageError(f"--steps {span!r} is not A:B", hint="for example --steps 100:200") from error
    found = tuple(each.number for each in intervals if each.start < stop and start < each.stop)
    if not found:
        held = f"they hold steps {intervals[0].start} to {intervals[-1].stop - 1}" if intervals else ""
        raise UsageError(f"no interval holds any of the steps {span}", hint=held)
    return Given(found)
