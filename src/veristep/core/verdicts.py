"""Verdicts, coverage and findings: how Veristep says what it knows.

A verdict has four values and always carries what it covers; nothing here is a bare boolean. The JSON
form is version ``veristep/1`` and is part of the interface.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from veristep.core.canonical import Json

SCHEMA = "veristep/1"


class Verdict(StrEnum):
    """What can be said about a thing that was asked about."""

    VERIFIED = "verified"
    VIOLATED = "violated"
    UNVERIFIED = "unverified"
    NOT_COVERED = "not_covered"


class Severity(StrEnum):
    """How bad a finding is, lowest first."""

    INFO = "info"
    WARNING = "warning"
    ERROR = "error"


@dataclass(frozen=True, slots=True)
class Suspect:
    """Evidence that points at something; never a verdict on a person.

    `how_known` names the observation the pointer rests on.
    """

    what: str
    value: str
    how_known: str

    def to_json(self) -> dict[str, Json]:
        """Return the JSON form."""
        return {"what": self.what, "value": self.value, "how_known": self.how_known}


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is wrong: the rule that noticed it, where, and the evidence."""

    rule: str
    severity: Severity
    summary: str
    run: str = ""
    rank: int | None = None
    step: int | None = None
    suspects: tuple[Suspect, ...] = ()
    evidence: Mapping[str, Json] = field(default_factory=dict)

    def to_json(self) -> dict[str, Json]:
        """Return the JSON form."""
        return {
            "rule": self.rule,
            "severity": self.severity.value,
            "summary": self.summary,
            "run": self.run,
            "rank": self.rank,
            "step": self.step,
            "suspects": [suspect.to_json() for suspect in self.suspects],
            "evidence": dict(self.evidence),
        }


@dataclass(frozen=True, slots=True)
class Coverage:
    """How much of what exists a verdict rests on.

    Attributes:
        steps: optimizer updates on record, over all ranks.
        steps_checked: those that were replayed and compared to the end.
        intervals: units of audit on record.
        intervals_checked: those replayed completely.
        blocks: parameter and gradient blocks on record for the steps checked.
        blocks_checked: those whose digests were compared; fewer when the run sampled its digests.
        not_checked: why the rest was not checked, each reason with its number of steps.
        unconditioned: whether the steps were executed from the run's start, with nothing taken as recorded.
        conditions: what the steps checked were replayed under (hyperparameters, batches, random states),
            and of how many steps each was ``checked``, or why not.
        in_noise: those of the steps checked that were compared within rounding noise only, because they
            were replayed on a machine that rounds otherwise.
    """

    steps: int = 0
    steps_checked: int = 0
    intervals: int = 0
    intervals_checked: int = 0
    blocks: int = 0
    blocks_checked: int = 0
    not_checked: Mapping[str, int] = field(default_factory=dict)
    unconditioned: bool = False
    conditions: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    in_noise: int = 0

    def given(self) -> str:
        """Return what was taken as recorded, and in how many steps; empty when all of it was checked."""
        parts = []
        for name, outcomes in sorted(self.conditions.items()):
            total = sum(outcomes.values())
            count = total - outcomes.get("checked", 0)
            if count:
                parts.append(f"{name} of {count} of {total} steps")
        return "given, as recorded, " + ", ".join(parts) if parts else ""

    def to_json(self) -> dict[str, Json]:
        """Return the JSON form."""
        return {
            "steps": self.steps,
            "steps_checked": self.steps_checked,
            "intervals": self.intervals,
            "intervals_checked": self.intervals_checked,
            "blocks": self.blocks,
            "blocks_checked": self.blocks_checked,
            "not_checked": dict(self.not_checked),
            "unconditioned": self.unconditioned,
            "conditions": {name: dict(outcomes) for name, outcomes in self.conditions.items()},
            "in_noise": self.in_noise,
        }


@dataclass(frozen=True, slots=True)
class Result:
    """A verdict with its coverage and the findings.

    The reason says why a verdict is not a clean one, or what a clean one takes as given.
    """

    verdict: Verdict
    coverage: Coverage
    reason: str = ""
    findings: tuple[Finding, ...] = ()

    def to_json(self) -> dict[str, Json]:
        """Return the JSON form, schema `SCHEMA`."""
        return {
            "schema": SCHEMA,
            "verdict": self.verdict.value,
            "reason": self.reason,
            "coverage": self.coverage.to_json(),
            "findings": [finding.to_json() for finding in self.findings],
        }


def combine(verdicts: Iterable[Verdict]) -> Verdict:
    """Return the verdict on a whole from the verdicts on its parts.

    One violated part violates the whole; otherwise one unverified part leaves it unverified; parts
    that were not covered do not weaken verified ones, because coverage states them; nothing covered
    at all is `NOT_COVERED`.
    """
    seen = set(verdicts)
    for verdict in (Verdict.VIOLATED, Verdict.UNVERIFIED, Verdict.VERIFIED):
        if verdict in seen:
            return verdict
    return Verdict.NOT_COVERED
