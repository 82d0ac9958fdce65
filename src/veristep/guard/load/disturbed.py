"""LOAD007: in a process the gate does not stand, or could not do its work."""

from __future__ import annotations

from veristep.core.verdicts import Finding, Suspect
from veristep.guard.load.told import Notice
from veristep.guard.rule import Rule

RULE = Rule("LOAD007", "the gate does not stand")


def of(notice: Notice) -> Finding:
    """Return the finding of a notice."""
    pid = notice.get("peer_pid", "")
    reason = (
        notice.get("reason") or "an audit hook that was there before it kept it out, or it was disarmed"
    )
    return RULE.finding(
        f"loads in process {pid} are not guarded: {reason}",
        suspects=(Suspect("process", str(pid), "the kernel's word for who told of it"),),
        detail=str(reason),
    )
