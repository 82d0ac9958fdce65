"""LOAD009: code that came with a model, from a hub, is run."""

from __future__ import annotations

from veristep.core.verdicts import Finding, Severity
from veristep.guard.load.told import Notice, finding, outcome
from veristep.guard.rule import Rule

RULE = Rule("LOAD009", "code that came with a model is run", Severity.WARNING)


def of(notice: Notice) -> Finding:
    """Return the finding of a notice."""
    return finding(RULE, notice, f"trust_remote_code would {notice.get('act')}; {outcome(notice)}")
