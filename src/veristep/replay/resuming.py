"""Going on with an audit that was interrupted: the same draw, the verdicts it had, the rest judged."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from veristep.core.canonical import Json
from veristep.errors import MalformedError, StorageError, UsageError
from veristep.ledger.log import Ledger
from veristep.replay.draw.derive import Binding, Draw
from veristep.replay.journal import Journal
from veristep.replay.plan import choice as choices
from veristep.replay.plan.choice import Choice
from veristep.replay.recorded import RecordedRun


class Resume(StrEnum):
    """What to do about an audit of the run that was interrupted."""

    IF_SAME = "if it was asked for the same"
    DEMANDED = "go on with it"
    NEVER = "leave it"


@dataclass(frozen=True, slots=True)
class Begun:
    """An audit that has begun, now or before it was interrupted.

    Attributes:
        draw: what it draws from.
        choice: what it was asked for.
        escalate: whether mismatches have their surroundings replayed.
        journal: where its verdicts are kept; None where nothing can be written.
        trouble: why nothing can be written.
    """

    draw: Draw
    choice: Choice
    escalate: bool
    journal: Journal | None
    trouble: str = ""

    @property
    def known(self) -> int:
        """Verdicts that are taken over."""
        return len(self.journal.judged) if self.journal is not None else 0


def begin(
    ledger: Ledger,
    recorded: RecordedRun,
    draw: Draw,
    choice: Choice,
    *,
    escalate: bool = True,
    under: Mapping[str, Json] | None = None,
    resume: Resume = Resume.IF_SAME,
) -> Begun:
    """Go on with an interrupted audit of the same intervals, or begin one.

    An audit that was begun with a fresh nonce goes on with that nonce: breaking audits off until one draws
    as wanted gains nothing.

    Raises:
        UsageError: going on is demanded, and nothing was interrupted.
    """
    wanted: dict[str, Json] = {"choice": choice.to_json(), "escalate": escalate}

    def fits(what: Mapping[str, Json]) -> bool:
        if resume is Resume.NEVER or not _same_draw(what.get("draw"), draw):
            return False
        if what.get("under") != dict(under or {}):
            return False
        return resume is Resume.DEMANDED or all(what.get(key) == value for key, value in wanted.items())

    found = Journal.find(ledger, recorded.directory, fits)
    if found is not None:
        known = choices.from_json(found.what["choice"])
        return Begun(_draw(found.what["draw"], draw), known, bool(found.what["escalate"]), found)
    if resume is Resume.DEMANDED:
        raise UsageError(
            f"no interrupted audit of the run {recorded.run} can go on",
            hint="leave --resume out to begin one; an audit does not go on when the run's record has "
            "grown since, in another room or under another --platform, or with another version of Veristep",
        )
    try:
        journal = Journal.begin(
            ledger, recorded.directory, {**wanted, "under": dict(under or {}), "draw": draw.to_json()}
        )
    except StorageError as error:
        return Begun(draw, choice, escalate, None, error.message)
    return Begun(draw, choice, escalate, journal)


def _same_draw(value: Json, draw: Draw) -> bool:
    """Return whether an interrupted audit drew as one would now, but for what is fresh."""
    if not isinstance(value, Mapping):
        return False
    mine = draw.to_json()
    free = ("nonce", "checkpoint") if draw.binding is Binding.FRESH else ()
    return all(value.get(key) == mine[key] for key in mine if key not in free)


def _draw(value: Any, draw: Draw) -> Draw:
    try:
        nonce = bytes.fromhex(value["nonce"])
    except (KeyError, TypeError, ValueError) as error:
        raise MalformedError(f"an audit's journal holds no draw: {error!r}") from error
    return Draw(draw.run, nonce, str(value["checkpoint"]), draw.intervals, draw.commitment, draw.why_fresh)
