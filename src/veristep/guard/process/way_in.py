"""PROC010: a file that lets somebody in, or runs at a login or a time, changed during the run."""

from __future__ import annotations

from veristep.core.verdicts import Finding, Severity, Suspect
from veristep.guard.rule import Rule

RULE = Rule("PROC010", "A file that opens a way in changed during the run", Severity.WARNING)


def of(
    path: str, change: str, also: tuple[Suspect, ...], *, expected: str = "", got: str = "",
    severity: Severity | None = None,
) -> Finding:  # fmt: skip
    """Return the finding.

    Args:
        path: of the file.
        change: ``added``, ``changed`` or ``deleted``.
        also: suspects.
        expected: its digest when the run began.
        got: its digest now.
        severity: if another than the rule's.
    """
    return RULE.finding(
        f"{path} was {change} while the run was going on",
        severity=severity,
        suspects=also,
        path=path,
        expected=expected or "no such file",
        got=got or "no such file",
        hint="an own edit needs nothing; else compare it with what should stand there, and end the access",
    )
