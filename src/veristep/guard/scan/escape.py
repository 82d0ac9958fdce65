"""LOAD063: an archive would unpack outside of its folder."""

from __future__ import annotations

from veristep.guard.rule import Rule
from veristep.scan.seen import Sort

RULE = Rule("LOAD063", "an archive would unpack outside of its folder")
SORT = Sort.ESCAPE
