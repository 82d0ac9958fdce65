"""STEP005: a hyperparameter leaves its schedule."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from veristep.core.verdicts import Finding, Severity
from veristep.guard.rule import Rule
from veristep.guard.step.told import FAMILIAR, number, place

RULE = Rule("STEP005", "a hyperparameter leaves its schedule")


def of(line: Mapping[str, Any], writers: Sequence[str]) -> Finding | None:
    """Return the finding that a hyperparameter makes which is not what it was, or what its scheduler says.

    Args:
        line: as told: ``kept`` is at how many updates before it was as expected.
        writers: places of the project's code that set hyperparameters.
    """
    told = place(line)
    kept = number(line, "kept")
    if kept < FAMILIAR:
        return None
    key, by = str(line.get("key", "")), str(line.get("by", ""))
    says = f"{by} says" if by else "it was"
    return RULE.finding(
        f"{key} of parameter group {number(line, 'group')} is {line.get('got')} at update {told.step}; "
        f"{says} {line.get('expected')}, as at the {kept} updates before",
        severity=Severity.INFO if writers else None,
        rank=told.rank,
        step=told.step,
        suspects=told.suspects,
        expected=str(line.get("expected")),
        got=str(line.get("got")),
        writers=list(writers[:8]),
        hint="the project's own code sets hyperparameters: " + ", ".join(writers[:3])
        if writers
        else f"veristep audit --steps {told.step}",
    )
