"""MEM011: the calls that lead to an update pass through somebody's code."""

from __future__ import annotations

from veristep.core.verdicts import Finding
from veristep.guard.memory.told import Found, judged
from veristep.guard.rule import Rule

RULE = Rule("MEM011", "unrecorded code stands between the script and a step")


def of(found: Found) -> Finding | None:
    """Return what is to be said of it."""
    return judged(RULE, found, "pass through", own_is_fine=True)
