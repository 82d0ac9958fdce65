"""LOAD005: `torch.load` was made to take everything, where it would have taken weights only."""

from __future__ import annotations

from collections.abc import Mapping

from veristep.core.verdicts import Finding, Severity
from veristep.guard.load.told import Notice, finding, subject
from veristep.guard.rule import Rule

RULE = Rule("LOAD005", "loading was made unsafe", Severity.WARNING)
VARIABLE = "TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD"
# What torch takes for yes.
_YES = ("1", "y", "yes", "true")


def of(notice: Notice) -> Finding:
    """Return the finding of a notice."""
    return finding(RULE, notice, f"{subject(notice)} is loaded with everything in it: {notice.get('why')}")


def in_environment(environment: Mapping[str, str]) -> list[Finding]:
    """Return what the environment of a command says about it."""
    value = environment.get(VARIABLE, "")
    if value.lower() not in _YES:
        return []
    said = f"{VARIABLE}={value} makes torch.load take whatever a file names where weights_only is not said"
    return [RULE.finding(said, hint="unset it; load the one file that needs it with weights_only=False")]
