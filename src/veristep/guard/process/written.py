"""PROC015: a process that is none of the run's wrote a file that the run had written."""

from __future__ import annotations

from veristep.core.verdicts import Finding, Severity, Suspect
from veristep.guard.rule import Rule

RULE = Rule("PROC015", "A file of the run was written by a stranger", Severity.WARNING)


def of(path: str, sender: str, also: tuple[Suspect, ...]) -> Finding:
    """Return the finding.

    Args:
        path: of the file.
        sender: who wrote, in words.
        also: suspects.
    """
    return RULE.finding(
        f"{path}, which the run wrote, was opened for writing by {sender}",
        suspects=also,
        path=path,
        expected="no writer but the run itself",
        got=sender,
        hint=f"veristep verify {path} says whether it is still what the run wrote",
    )
