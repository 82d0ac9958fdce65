"""PROC004: a debugger is attached to a process of the run."""

from __future__ import annotations

from veristep.core.verdicts import Finding, Severity, Suspect
from veristep.guard.rule import Rule

RULE = Rule("PROC004", "A debugger is attached to a process of the run")


def of(pid: int, name: str, tracer: str, also: tuple[Suspect, ...], *, inside: bool = False) -> Finding:
    """Return the finding.

    Args:
        pid: that is traced.
        name: of its program.
        tracer: who traces it, in words.
        also: suspects.
        inside: whether the tracer is a process of the run: a run under a debugger of one's own.
    """
    return RULE.finding(
        f"process {pid} ({name}) is traced by {tracer}",
        severity=Severity.INFO if inside else None,
        suspects=also,
        expected="no tracer",
        got=tracer,
        detail="a tracer reads and writes memory and registers at will",
        pid=pid,
        hint="what was computed since cannot be trusted; audit the run",
    )
