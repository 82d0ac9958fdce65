"""STEP006: random numbers are seeded anew, or come again."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from veristep.core.verdicts import Finding, Severity, Suspect
from veristep.guard import suspects
from veristep.guard.rule import Rule
from veristep.guard.step.told import place

RULE = Rule("STEP006", "random numbers are seeded anew, or come again", Severity.WARNING)


def of_call(line: Mapping[str, Any]) -> Finding:
    """Return the finding that a call makes which seeds a generator from outside project and packages."""
    told = place(line)
    file = str(line.get("file", ""))
    where = f"{file}:{line.get('number', 0)}"
    by = (Suspect("caller", where, f"called {line.get('function')}"),) if file else ()
    owners = suspects.of_file(Path(file), how="it called for the seed") if file.startswith("/") else ()
    summary = (
        f"{line.get('function')} was called during step {told.step} by {where}, which is neither the "
        "project's nor an installed package's"
        if file
        else f"torch's generator has another seed from step {told.step} on, set by no function for it"
    )
    return RULE.finding(
        summary,
        rank=told.rank,
        step=told.step,
        suspects=(*told.suspects, *by, *owners),
        path=file,
        line=int(line.get("number") or 0),
        got=str(line.get("seed", "")),
    )


def of_return(stream: str, step: int, earlier: int) -> Finding:
    """Return the finding that random states make which were those of an earlier step already."""
    told = place({"stream": stream, "step": step})
    return RULE.finding(
        f"step {step} draws the random numbers that step {earlier} drew: the generators were put back",
        rank=told.rank,
        step=step,
        expected="states that no earlier step had",
        got=f"those of step {earlier}",
        hint=f"veristep audit --steps {step}",
    )
