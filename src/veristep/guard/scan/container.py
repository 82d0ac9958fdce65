"""LOAD053: an archive reads differently to different readers."""

from __future__ import annotations

from veristep.guard.rule import Rule
from veristep.scan.seen import Sort

RULE = Rule("LOAD053", "an archive reads differently to different readers")
SORT = Sort.CONTAINER
