"""PROC009: the run connects to where no earlier run of the project did."""

from __future__ import annotations

from veristep.core.verdicts import Finding, Severity, Suspect
from veristep.guard.rule import Rule

RULE = Rule("PROC009", "The run connects to where no run before it did", Severity.WARNING)


def of(pid: int, program: str, remote: str, port: int, runs: int, also: tuple[Suspect, ...]) -> Finding:
    """Return the finding.

    Args:
        pid: of the process.
        program: it executes.
        remote: address at the other end.
        port: there.
        runs: earlier ones on record.
        also: suspects.
    """
    return RULE.finding(
        f"process {pid} ({program}) is connected to {remote} port {port}",
        suspects=also,
        expected=f"what one of the {runs} earlier runs of the project connected to",
        got=f"{remote}:{port}",
        pid=pid,
        port=port,
    )
