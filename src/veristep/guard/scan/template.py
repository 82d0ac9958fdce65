"""LOAD059: a template reaches out of its sandbox."""

from __future__ import annotations

from veristep.guard.rule import Rule
from veristep.scan.seen import Sort

RULE = Rule("LOAD059", "a template reaches out of its sandbox")
SORT = Sort.TEMPLATE
