"""LOAD055: a file does not follow its format."""

from __future__ import annotations

from veristep.core.verdicts import Severity
from veristep.guard.rule import Rule
from veristep.scan.seen import Sort

RULE = Rule("LOAD055", "a file does not follow its format", Severity.WARNING)
SORT = Sort.DAMAGED
