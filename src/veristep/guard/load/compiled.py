"""LOAD011: compiled code is loaded that others can write."""

from __future__ import annotations

from veristep.core.verdicts import Finding
from veristep.guard.load.told import Notice, finding, outcome, subject
from veristep.guard.rule import Rule

RULE = Rule("LOAD011", "compiled code is loaded that others can write")


def of(notice: Notice) -> Finding:
    """Return the finding of a notice."""
    said = f"{subject(notice)} is compiled code, and {notice.get('why')}; {outcome(notice)}"
    return finding(RULE, notice, said)
