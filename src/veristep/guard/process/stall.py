"""PROC001: a step took far too long, because code on no record waited."""

from __future__ import annotations

from veristep.core.verdicts import Finding, Severity, Suspect
from veristep.guard.process.waited import Culprit, Wait, words
from veristep.guard.rule import Rule

RULE = Rule("PROC001", "A step is held up by code that is on no record")
# Of the samples of a stall, how many have to show it.
SHARE = 0.3
ENOUGH = 3


def of(
    found: Culprit, wait: Wait, *, seconds: float, usual: float, samples: int, pid: int,
    rank: int | None, step: int, also: tuple[Suspect, ...],
) -> Finding | None:  # fmt: skip
    """Return the finding; None where the stall was mostly something else.

    Args:
        found: who waited.
        wait: as it was seen.
        seconds: the step took so far.
        usual: seconds a step takes; 0 when not known yet.
        samples: of the stall.
        pid: of the process.
        rank: in the training.
        step: that is held up.
        also: further suspects: the file.
    """
    if wait.count < ENOUGH or wait.count / max(samples, 1) < SHARE:
        return None
    expected = f"{usual:.3g} s, the median of the steps before" if usual else "no wait"
    return RULE.finding(
        f"step {step} was held up for {seconds:.1f} s: {words(found.frame)} waited ({wait.call})",
        severity=None if found.inside else Severity.WARNING,
        suspects=also,
        rank=rank,
        step=step,
        path=found.frame.file,
        line=found.frame.line,
        expected=expected,
        got=f"{seconds:.3g} s",
        detail=f"seen in {wait.count} of {samples} looks; the file is {found.whose.value}",
        call=wait.call,
        stack=[words(frame) for frame in wait.stack],
        called_by_torch=found.inside,
        pid=pid,
        hint="compare the file with what should stand there; the waits end when it is no longer loaded",
    )
