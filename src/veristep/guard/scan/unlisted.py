"""LOAD051: a file names what no profile lists."""

from __future__ import annotations

from veristep.core.verdicts import Severity
from veristep.guard.rule import Rule
from veristep.scan.seen import Sort

RULE = Rule("LOAD051", "a file names what no profile lists", Severity.WARNING)
SORT = Sort.UNLISTED
