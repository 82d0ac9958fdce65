"""LOAD066: a file costs more to look at than a scan may use."""

from __future__ import annotations

from veristep.core.verdicts import Severity
from veristep.guard.rule import Rule
from veristep.scan.seen import Sort

RULE = Rule("LOAD066", "a file costs more to look at than a scan may use", Severity.WARNING)
SORT = Sort.LIMIT
