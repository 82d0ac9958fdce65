"""LOAD060: a file is not of the kind its name says."""

from __future__ import annotations

from veristep.core.verdicts import Severity
from veristep.guard.rule import Rule
from veristep.scan.seen import Sort

RULE = Rule("LOAD060", "a file is not of the kind its name says", Severity.INFO)
SORT = Sort.MISNAMED
