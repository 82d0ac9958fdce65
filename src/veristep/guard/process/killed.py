"""PROC005: a process of the run was killed from outside."""

from __future__ import annotations

import signal

from veristep.core.verdicts import Finding, Severity, Suspect
from veristep.guard.rule import Rule

RULE = Rule("PROC005", "A process of the run was killed", Severity.WARNING)


def of(
    pid: int, number: int, sender: str, also: tuple[Suspect, ...], *, detail: str = "",
    severity: Severity | None = None, memory: str = "",
) -> Finding:  # fmt: skip
    """Return the finding.

    Args:
        pid: that was killed.
        number: of the signal.
        sender: who sent it, in words; empty when not known.
        also: suspects.
        detail: what else is known.
        severity: if another than the rule's.
        memory: what is known of memory that ran out.
    """
    name = name_of(number)
    by = f"sent by {sender}" if sender else memory or "by whom is not known"
    return RULE.finding(
        f"process {pid} was killed by {name}, {by}",
        severity=severity,
        suspects=also,
        expected="an end of its own",
        got=name,
        detail=detail or ("" if sender else "the kernel names the sender only to the node agent"),
        pid=pid,
        signal=name,
        hint="" if sender else "the node agent tells who sends such signals",
    )


def name_of(number: int) -> str:
    """Return a signal's name."""
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"
