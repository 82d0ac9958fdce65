"""LOG001: the policy changed while a run was going on."""

from __future__ import annotations

from pathlib import Path

from veristep.core.verdicts import Finding, Severity
from veristep.guard import suspects
from veristep.guard.rule import Rule

RULE = Rule("LOG001", "The policy changed while a run was going on", Severity.WARNING)


def finding(path: str, expected: str, got: str, diff: list[str]) -> Finding:
    """Return a finding.

    Args:
        path: of the policy.
        expected: digest of what the run started with; ``nothing`` when there was no file.
        got: of what stands there now; likewise.
        diff: how they differ, as lines.
    """
    return RULE.finding(
        f"{path} changed; the run goes on with the policy it started with",
        suspects=suspects.of_file(Path(path), how="it says what is done about findings"),
        path=path,
        expected=expected,
        got=got,
        diff=[*diff],
        hint="find out who changed it, and why now; the next run starts with it",
    )
