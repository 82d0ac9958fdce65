"""MEM002: where a library's function should stand, somebody else's does."""

from __future__ import annotations

from veristep.core.verdicts import Finding
from veristep.guard.memory.told import IN_PLACE_OF, Found, judged
from veristep.guard.rule import Rule

RULE = Rule("MEM002", "a function of a library was replaced")


def of(found: Found) -> Finding | None:
    """Return what is to be said of it."""
    return judged(RULE, found, "is now", IN_PLACE_OF)
