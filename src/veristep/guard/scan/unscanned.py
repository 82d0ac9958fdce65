"""LOAD065: a file was not scanned."""

from __future__ import annotations

from veristep.core.verdicts import Severity
from veristep.guard.rule import Rule
from veristep.scan.seen import Sort

RULE = Rule("LOAD065", "a file was not scanned", Severity.WARNING)
SORT = Sort.UNSCANNED
