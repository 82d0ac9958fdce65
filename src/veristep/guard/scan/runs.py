"""LOAD050: loading the file would run code."""

from __future__ import annotations

from veristep.guard.rule import Rule
from veristep.scan.seen import Sort

RULE = Rule("LOAD050", "loading the file would run code")
SORT = Sort.CODE
