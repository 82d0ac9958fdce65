"""LOAD002: a file names what no profile of ordinary files has."""

from __future__ import annotations

from veristep.core.verdicts import Finding, Severity
from veristep.guard.load.told import Notice, finding, outcome, subject
from veristep.guard.rule import Rule

RULE = Rule("LOAD002", "a load names what no profile lists", Severity.WARNING)


def of(notice: Notice) -> Finding:
    """Return the finding of a notice."""
    named = f"{notice.get('module')}.{notice.get('name')}"
    said = f"{subject(notice)} names {named}: {notice.get('why')}; {outcome(notice)}"
    slight = notice.get("slight") is True and notice.get("refused") is not True
    return finding(RULE, notice, said, severity=Severity.INFO if slight else None)
