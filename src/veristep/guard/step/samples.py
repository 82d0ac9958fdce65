"""STEP007: samples are repeated or left out within an epoch."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from veristep.core.verdicts import Finding, Severity
from veristep.guard.rule import Rule
from veristep.guard.step.told import number, place

RULE = Rule("STEP007", "samples are repeated or left out within an epoch")


def of(line: Mapping[str, Any]) -> Finding:
    """Return the finding that what a loader drew, or handed over, makes."""
    told = place(line)
    kind, earlier = str(line.get("of", "")), number(line, "earlier")
    severity = None
    if kind == "data":
        summary = (
            f"the batch fetched for step {told.step} holds the data of the one for step {earlier}, though "
            "its sampler drew other samples"
        )
    elif kind == "order":
        # Where the second epoch already had the order of the first, it is the script's way.
        severity = Severity.WARNING if number(line, "orders") > 1 else Severity.INFO
        summary = (
            f"the epoch that ends at step {told.step} goes through the samples in the very order of the "
            f"one that ended at step {earlier}, though its sampler shuffles"
        )
    else:
        count = number(line, "count")
        summary = (
            f"sample {line.get('sample')} was drawn for step {told.step} and for step {earlier} of one "
            "epoch" + (f", and {count - 1} more were drawn twice" if count > 1 else "")
        )
    return RULE.finding(
        summary,
        severity=severity,
        rank=told.rank,
        step=told.step,
        suspects=told.suspects,
        detail=f"sampler {line.get('sampler', '')} of data set {number(line, 'slot')}",
        expected=str(line.get("expected", "")),
        got=str(line.get("got", "")),
    )
