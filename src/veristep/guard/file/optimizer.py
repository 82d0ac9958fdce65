"""FILE004: the optimizer's state in a checkpoint was altered."""

from __future__ import annotations

from veristep.guard.rule import Rule

RULE = Rule("FILE004", "the optimizer's state in a checkpoint was altered")
