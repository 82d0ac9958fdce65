"""LOAD010: TorchScript code reaches out of its model."""

from __future__ import annotations

from veristep.core.verdicts import Finding
from veristep.guard.load.told import Notice, finding, outcome, subject
from veristep.guard.rule import Rule

RULE = Rule("LOAD010", "TorchScript code reaches out of its model")


def of(notice: Notice) -> Finding:
    """Return the finding of a notice."""
    return finding(RULE, notice, f"{subject(notice)}: {notice.get('act')}; {outcome(notice)}")
