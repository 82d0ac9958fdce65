"""MEM010: code of a thread beside the training."""

from __future__ import annotations

from veristep.core.verdicts import Finding
from veristep.guard.memory.told import Found, judged
from veristep.guard.rule import Rule

RULE = Rule("MEM010", "a thread runs code that nobody on record owns")


def of(found: Found) -> Finding | None:
    """Return what is to be said of it."""
    return judged(RULE, found, "runs", own_is_fine=True)
