"""PROC011: a Python process of the run never said hello: nothing it does is recorded or guarded."""

from __future__ import annotations

from veristep.core.verdicts import Finding, Severity, Suspect
from veristep.guard.rule import Rule

RULE = Rule("PROC011", "A Python process of the run is not guarded", Severity.WARNING)


def of(pid: int, program: str, also: tuple[Suspect, ...]) -> Finding:
    """Return the finding.

    Args:
        pid: of the process.
        program: it executes.
        also: suspects.
    """
    return RULE.finding(
        f"process {pid} ({program}) is Python and never said hello: it is not guarded",
        suspects=also,
        expected="a hello from every Python process of the run",
        got="none",
        pid=pid,
        hint="started with -E, -I or -S, or with an environment of its own? Have it keep PYTHONPATH",
    )
