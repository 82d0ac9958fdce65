"""FILE002: another recorded file stands in a file's place."""

from __future__ import annotations

from veristep.guard.rule import Rule

RULE = Rule("FILE002", "another recorded file stands in a file's place")
