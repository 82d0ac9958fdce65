"""PROC014: another process wrote into the memory of a process of the run."""

from __future__ import annotations

from veristep.core.verdicts import Finding, Suspect
from veristep.guard.rule import Rule

RULE = Rule("PROC014", "Another process wrote into the memory of the run")


def of(pid: int, sender: str, call: str, also: tuple[Suspect, ...]) -> Finding:
    """Return the finding.

    Args:
        pid: whose memory was written.
        sender: who wrote, in words.
        call: by which way.
        also: suspects.
    """
    return RULE.finding(
        f"{sender} wrote into the memory of process {pid}, through {call}",
        suspects=also,
        expected="no writer but the process itself",
        got=call,
        pid=pid,
        hint="what was computed since cannot be trusted; audit the run",
    )
