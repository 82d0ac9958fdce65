"""LOAD056: an artifact holds compiled code."""

from __future__ import annotations

from veristep.guard.rule import Rule
from veristep.scan.seen import Sort

RULE = Rule("LOAD056", "an artifact holds compiled code")
SORT = Sort.NATIVE
