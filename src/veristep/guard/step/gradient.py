"""STEP004: a gradient is altered before the update."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from veristep.core.verdicts import Finding, Severity
from veristep.guard.rule import Rule
from veristep.guard.step.told import FAMILIAR, number, place

RULE = Rule("STEP004", "a gradient is altered before the update", Severity.WARNING)


def of(line: Mapping[str, Any], writers: Sequence[str]) -> Finding:
    """Return the finding that a gradient makes which is not what backward left, nor a multiple of it.

    It is a note where that is a habit of the script, or its own code could have done it.

    Args:
        line: as the process told it.
        writers: places of the project's code that touch gradients.
    """
    told = place(line)
    compared, altered = number(line, "compared"), number(line, "altered")
    habit = compared - altered < FAMILIAR or altered > compared // 10
    factor, usual = line.get("factor"), line.get("usual")
    how = f"times {factor:.4g}" if isinstance(factor, float) else "no multiple of it"
    others = f"; that of other tensors is times {usual:.4g}" if isinstance(usual, float) else ""
    return RULE.finding(
        f"the gradient of {told.tensor} at update {told.step} is not what backward left: {how}{others}",
        severity=Severity.INFO if habit or writers else None,
        rank=told.rank,
        step=told.step,
        suspects=told.suspects,
        tensors=[told.tensor],
        expected=str(line.get("expected", "")),
        got=str(line.get("got", "")),
        writers=list(writers[:8]),
        hint="the project's own code touches gradients: " + ", ".join(writers[:3])
        if writers
        else f"veristep audit --steps {told.step}",
    )
