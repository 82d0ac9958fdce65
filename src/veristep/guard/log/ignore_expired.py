"""LOG002: an ignore of the policy has expired."""

from __future__ import annotations

from veristep.core.verdicts import Finding, Severity
from veristep.guard.policy import Ignore
from veristep.guard.rule import Rule

RULE = Rule("LOG002", "An ignore in the policy has expired", Severity.INFO)


def finding(source: str, ignore: Ignore) -> Finding:
    """Return a note about one."""
    of = f" below {ignore.path}" if ignore.path else ""
    return RULE.finding(
        f"findings of {ignore.rule}{of} count again: the ignore expired on {ignore.expires}",
        path=source,
        expected=f"a look at it by {ignore.expires}",
        got=f"its reason was: {ignore.reason}",
        hint="take it out, or give it a new reason and a new date",
    )
