"""LOAD058: a configuration has its loader import or call what it names."""

from __future__ import annotations

from veristep.guard.rule import Rule
from veristep.scan.seen import Sort

RULE = Rule("LOAD058", "a configuration has its loader import or call what it names")
SORT = Sort.REMOTE
