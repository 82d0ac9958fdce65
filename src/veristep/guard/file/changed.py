"""FILE001: a file is not what a recorded run wrote."""

from __future__ import annotations

from veristep.guard.rule import Rule

RULE = Rule("FILE001", "a file is not what a recorded run wrote")
