"""FILE003: a foreign file stands under a recorded name."""

from __future__ import annotations

from veristep.guard.rule import Rule

RULE = Rule("FILE003", "a foreign file stands under a recorded name")
