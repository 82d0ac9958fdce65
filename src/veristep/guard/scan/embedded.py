"""LOAD061: an artifact carries source or byte code."""

from __future__ import annotations

from veristep.guard.rule import Rule
from veristep.scan.seen import Sort

RULE = Rule("LOAD061", "an artifact carries source or byte code")
SORT = Sort.EMBEDDED
