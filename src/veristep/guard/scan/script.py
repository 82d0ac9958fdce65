"""LOAD057: TorchScript code reaches outside of the model."""

from __future__ import annotations

from veristep.guard.rule import Rule
from veristep.scan.seen import Sort

RULE = Rule("LOAD057", "TorchScript code reaches outside of the model")
SORT = Sort.SCRIPT
