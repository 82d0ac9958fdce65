"""LOAD064: a header contradicts its file."""

from __future__ import annotations

from veristep.guard.rule import Rule
from veristep.scan.seen import Sort

RULE = Rule("LOAD064", "a header contradicts its file")
SORT = Sort.HEADER
