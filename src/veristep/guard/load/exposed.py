"""LOAD003: to look up what a file names, code would be imported that others can write."""

from __future__ import annotations

from veristep.core.verdicts import Finding
from veristep.guard.load.told import Notice, finding, outcome, subject
from veristep.guard.rule import Rule

RULE = Rule("LOAD003", "a load imports code that others can write")


def of(notice: Notice) -> Finding:
    """Return the finding of a notice."""
    named = f"{notice.get('module')}.{notice.get('name')}"
    return finding(RULE, notice, f"{subject(notice)} names {named}: {notice.get('why')}; {outcome(notice)}")
