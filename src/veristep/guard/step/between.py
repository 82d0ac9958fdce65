"""STEP003: weights or optimizer state change between updates."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from veristep.core.verdicts import Finding, Severity, Suspect
from veristep.guard.rule import Rule
from veristep.guard.step.told import FAMILIAR, number, place

RULE = Rule("STEP003", "weights or optimizer state change between updates", Severity.WARNING)


def of(line: Mapping[str, Any], writers: Sequence[str]) -> Finding:
    """Return the finding that a change between two updates makes.

    It is a note where such changes are a habit of the script, or its own code could have made them.

    Args:
        line: as the process told it.
        writers: places of the project's code that write tensors in place.
    """
    told = place(line)
    compared, changed = number(line, "compared"), number(line, "changed")
    habit = compared - changed < FAMILIAR or changed > compared // 10
    what = str(line.get("what", "parameter"))
    part = told.tensor if what == "parameter" else f"the state {what} of {told.tensor}"
    hooks = [str(each) for each in line.get("hooks", ()) if isinstance(each, str)]
    last = told.step
    why = "it does so regularly" if habit else f"at {compared - changed} steps looked at before nothing did"
    suspects = tuple(Suspect("hook", each, "registered on the optimizer") for each in hooks)
    return RULE.finding(
        f"{part} changed between update {last} and update {line.get('until')}: {why}",
        severity=Severity.INFO if habit or writers else Severity.WARNING,
        rank=told.rank,
        step=last,
        suspects=told.suspects + suspects,
        tensors=[told.tensor],
        expected=str(line.get("before", "")),
        got=str(line.get("after", "")),
        detail=f"{line.get('wrong')} of {line.get('of')} coordinates from {line.get('first')} on",
        writers=list(writers[:8]),
        hint="the project's own code writes tensors in place: " + ", ".join(writers[:3])
        if writers
        else f"veristep audit --steps {last}:{line.get('until')}",
    )
