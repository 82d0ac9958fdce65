"""MEM009: trace and profile functions, callbacks, signal handlers."""

from __future__ import annotations

from veristep.core.verdicts import Finding
from veristep.guard.memory.told import Found, judged
from veristep.guard.rule import Rule

RULE = Rule("MEM009", "the interpreter calls somebody's function")


def of(found: Found) -> Finding | None:
    """Return what is to be said of it."""
    return judged(RULE, found, "is", own_is_fine=True)
