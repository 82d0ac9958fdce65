"""PROC003: a process of the run was stopped, and this supervisor was not."""

from __future__ import annotations

from veristep.core.verdicts import Finding, Suspect
from veristep.guard.rule import Rule

RULE = Rule("PROC003", "A process of the run was stopped")


def of(pid: int, name: str, seconds: float, also: tuple[Suspect, ...], *, sender: str = "") -> Finding:
    """Return the finding.

    Args:
        pid: that is stopped.
        name: of its program.
        seconds: it has been, at least.
        also: suspects.
        sender: who sent the signal, if known.
    """
    by = f", by {sender}" if sender else ""
    return RULE.finding(
        f"process {pid} ({name}) has been stopped for {seconds:.1f} s and more{by}",
        suspects=also,
        expected="running or waiting",
        got="state T: stopped by a signal (SIGSTOP, SIGTSTP)",
        detail="" if sender else "who sent the signal is known only to the node agent",
        pid=pid,
        hint=f"kill -CONT {pid} has it go on",
    )
