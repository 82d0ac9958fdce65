"""PROC002: code on no record waits again and again, each time shortly."""

from __future__ import annotations

from veristep.core.verdicts import Finding, Severity, Suspect
from veristep.guard.process.waited import Culprit, Wait, words
from veristep.guard.rule import Rule

RULE = Rule("PROC002", "Steps are slowed by short waits in code that is on no record")
# Samples, and different steps among them, from which on it is no accident.
ENOUGH, STEPS = 4, 3
# Of the time of the training: less than that is nobody's harm.
SHARE = 0.003


def of(
    found: Culprit, wait: Wait, *, seconds: float, samples: int, pid: int, rank: int | None, step: int,
    also: tuple[Suspect, ...],
) -> Finding | None:  # fmt: skip
    """Return the finding; None where it was seen too rarely.

    Args:
        found: who waited.
        wait: as it was seen.
        seconds: the process has been watched.
        samples: taken in that time.
        pid: of the process.
        rank: in the training.
        step: it trains at.
        also: further suspects: the file.
    """
    share = wait.count / max(samples, 1)
    if wait.count < ENOUGH or wait.steps < STEPS or share < SHARE:
        return None
    return RULE.finding(
        f"{words(found.frame)} waits in many steps ({wait.call}): {share:.0%} of the time so far",
        severity=None if found.inside else Severity.WARNING,
        suspects=also,
        rank=rank,
        step=step,
        path=found.frame.file,
        line=found.frame.line,
        expected="no wait in code that is on no record",
        got=f"waiting in {wait.count} of {samples} looks, in {wait.steps} steps, within {seconds:.0f} s",
        detail=f"the file is {found.whose.value}",
        call=wait.call,
        stack=[words(frame) for frame in wait.stack],
        called_by_torch=found.inside,
        pid=pid,
        hint="compare the file with what should stand there; the waits end when it is no longer loaded",
    )
