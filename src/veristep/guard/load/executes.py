"""LOAD001: what a file names runs code."""

from __future__ import annotations

from veristep.core.verdicts import Finding
from veristep.guard.load.told import Notice, call, finding, outcome, subject
from veristep.guard.rule import Rule

RULE = Rule("LOAD001", "a load runs code that a file chooses")


def of(notice: Notice) -> Finding:
    """Return the finding of a notice."""
    return finding(RULE, notice, f"{subject(notice)} names {call(notice)[:200]}; {outcome(notice)}")
