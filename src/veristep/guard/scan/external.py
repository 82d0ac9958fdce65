"""LOAD062: a model refers to data outside of itself."""

from __future__ import annotations

from veristep.guard.rule import Rule
from veristep.scan.seen import Sort

RULE = Rule("LOAD062", "a model refers to data outside of itself")
SORT = Sort.EXTERNAL
