"""MEM007: a mode of torch's functions or of its dispatcher."""

from __future__ import annotations

from veristep.core.verdicts import Finding
from veristep.guard.memory.told import IN_PLACE_OF, Found, judged
from veristep.guard.rule import Rule

RULE = Rule("MEM007", "every operation passes through somebody's hands")


def of(found: Found) -> Finding | None:
    """Return what is to be said of it."""
    return judged(RULE, found, "are handled by", IN_PLACE_OF)
