"""MEM005: an object has an attribute of its own in place of a method."""

from __future__ import annotations

from veristep.core.verdicts import Finding
from veristep.guard.memory.told import Found, judged
from veristep.guard.rule import Rule

RULE = Rule("MEM005", "an object's method is shadowed")


def of(found: Found) -> Finding | None:
    """Return what is to be said of it."""
    return judged(RULE, found, "is shadowed by")
