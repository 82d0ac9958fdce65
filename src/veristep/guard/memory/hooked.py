"""MEM006: something is called at every step, forward or backward."""

from __future__ import annotations

from veristep.core.verdicts import Finding
from veristep.guard.memory.told import Found, judged
from veristep.guard.rule import Rule

RULE = Rule("MEM006", "a hook that nobody on record owns")


def of(found: Found) -> Finding | None:
    """Return what is to be said of it."""
    return judged(RULE, found, "include")
