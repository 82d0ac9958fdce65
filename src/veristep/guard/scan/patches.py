"""LOAD052: loading the file would change a class or function."""

from __future__ import annotations

from veristep.guard.rule import Rule
from veristep.scan.seen import Sort

RULE = Rule("LOAD052", "loading the file would change a class or function")
SORT = Sort.PATCH
