"""LOAD054: data follows the end of a file's content."""

from __future__ import annotations

from veristep.core.verdicts import Severity
from veristep.guard.rule import Rule
from veristep.scan.seen import Sort

RULE = Rule("LOAD054", "data follows the end of a file's content", Severity.WARNING)
SORT = Sort.TRAILING
