"""PROC012: a process goes on training, and what watched it in there has stopped talking."""

from __future__ import annotations

from veristep.core.verdicts import Finding
from veristep.guard.rule import Rule

RULE = Rule("PROC012", "A process trains on and its guard fell silent")


def of(stream: str, steps: int, seconds: float) -> Finding:
    """Return the finding.

    Args:
        stream: it trains under.
        steps: it has taken since the last sign of its guard.
        seconds: since then.
    """
    rank = stream.partition(".")[0]
    return RULE.finding(
        f"rank {rank} took {steps} steps in the {seconds:.0f} s since its sampler gave its last sign",
        rank=int(rank) if rank.isdecimal() else None,
        expected="a sign several times a second",
        got=f"none for {seconds:.0f} s",
        detail="something in the process ended the sampler's thread or holds it up",
    )
