"""PROC007: a process of the run opened a door: a listening socket that others can reach."""

from __future__ import annotations

from veristep.core.verdicts import Finding, Severity, Suspect
from veristep.guard.rule import Rule

RULE = Rule("PROC007", "A process of the run listens for connections", Severity.WARNING)


def of(
    pid: int, program: str, address: str, port: int, also: tuple[Suspect, ...], why: str, *,
    severity: Severity | None = None,
) -> Finding:  # fmt: skip
    """Return the finding.

    Args:
        pid: that listens.
        program: it executes.
        address: it listens at.
        port: and the port.
        also: suspects.
        why: it is not expected.
        severity: if another than the rule's.
    """
    return RULE.finding(
        f"process {pid} ({program}) listens on {address} port {port}",
        severity=severity,
        suspects=also,
        expected="no listening socket beyond those of the ranks",
        got=f"{address}:{port}",
        detail=why,
        pid=pid,
        port=port,
    )
