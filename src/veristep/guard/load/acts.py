"""LOAD004: because a file is being loaded, something happens that loading does not need."""

from __future__ import annotations

from veristep.core.verdicts import Finding
from veristep.guard.load.told import Notice, finding, outcome, subject
from veristep.guard.rule import Rule

RULE = Rule("LOAD004", "a load starts a process, runs code or writes a file")


def of(notice: Notice) -> Finding:
    """Return the finding of a notice."""
    return finding(RULE, notice, f"loading {subject(notice)} would {notice.get('act')}; {outcome(notice)}")
