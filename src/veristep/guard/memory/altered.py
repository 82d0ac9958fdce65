"""MEM003: a library's function has other defaults, another closure, or another function's place."""

from __future__ import annotations

from veristep.core.verdicts import Finding, Severity
from veristep.guard.memory.told import Found, finding
from veristep.guard.rule import Rule

RULE = Rule("MEM003", "a library's function is not as it was installed")


def of(found: Found, *, stands_for: str, code_differs: bool) -> Finding | None:
    """Return what is wrong with a name that holds installed code, but not what it should.

    Args:
        found: what stands there.
        stands_for: the name that what stands there has in a clean process; empty when it is none's.
        code_differs: whether the code differs; else only what it is given.
    """
    if stands_for:
        return finding(RULE, found, f"{found.place} is what {stands_for} should be", Severity.ERROR)
    if code_differs:
        return finding(
            RULE, found, f"{found.place} is wrapped or replaced by other installed code", Severity.INFO
        )
    return finding(RULE, found, f"{found.place} has other defaults, or another closure", Severity.ERROR)
