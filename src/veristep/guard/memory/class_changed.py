"""MEM004: an object was given another class."""

from __future__ import annotations

from veristep.core.verdicts import Finding, Severity
from veristep.guard.memory.told import IN_PLACE_OF, Found, finding, judged
from veristep.guard.rule import Rule

RULE = Rule("MEM004", "an object was given another class")


def of(found: Found, was: str, *, related: bool) -> Finding | None:
    """Return what is to be said of an object whose class is another than it was made with.

    Args:
        found: the class now, and the code it brings.
        was: the class before.
        related: whether the class now is derived from the one before, as wrappers' are.
    """
    said = f"is the class of what was a {was}:"
    if related:
        return judged(RULE, found, said, IN_PLACE_OF)
    made = judged(RULE, found, said, IN_PLACE_OF)
    summary = f"{found.place} is the class of what was a {was}, and not derived from it"
    return made or finding(RULE, found, summary, Severity.ERROR)
