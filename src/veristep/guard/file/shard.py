"""FILE005: a shard of a checkpoint is missing, or of another step."""

from __future__ import annotations

from pathlib import Path

from veristep.core.verdicts import Finding
from veristep.guard import suspects
from veristep.guard.rule import Rule

RULE = Rule("FILE005", "a shard of a checkpoint is missing, or of another step")


def missing(index: str, shards: list[str]) -> Finding:
    """Return the finding for shards that an index names and that are not there."""
    first = Path(index).parent / shards[0]
    more = f" and {len(shards) - 1} more" if len(shards) > 1 else ""
    return RULE.finding(
        f"{index} names {shards[0]}{more}, which is not there",
        suspects=suspects.of_file(first, how="the index names it, and it is gone"),
        path=str(first),
        index=index,
        shards=list(shards[:50]),
        hint="the checkpoint cannot be loaded as it was written; take it from a copy, or an earlier one",
    )


def mixed(index: str, steps: dict[str, str]) -> Finding:
    """Return the finding for shards of one checkpoint that different steps or runs wrote.

    Args:
        index: the file that names them.
        steps: per shard, the run and step that wrote its content.
    """
    said = "; ".join(f"{name}: {where}" for name, where in sorted(steps.items())[:6])
    usual = max(steps.values(), key=list(steps.values()).count)
    odd = sorted(name for name, where in steps.items() if where != usual)
    first = Path(index).parent / odd[0]
    return RULE.finding(
        f"the shards of {index} are not of one step: {odd[0]} is of {steps[odd[0]]}, others of {usual}",
        suspects=suspects.of_file(first, how="its content is that of another step"),
        path=str(first),
        index=index,
        detail=said,
        hint="a checkpoint of several steps is none that training was ever at",
    )
