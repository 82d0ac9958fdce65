"""MEM008: the dispatcher has a kernel of somebody's for one of torch's own operators."""

from __future__ import annotations

from veristep.core.verdicts import Finding
from veristep.guard.memory.told import IN_PLACE_OF, Found, judged
from veristep.guard.rule import Rule

RULE = Rule("MEM008", "an operator of torch was overridden")


def of(found: Found) -> Finding | None:
    """Return what is to be said of it."""
    return judged(RULE, found, "is computed by", IN_PLACE_OF)
