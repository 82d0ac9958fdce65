"""CODE002: code that is in no commit."""

from __future__ import annotations

from collections.abc import Sequence

from veristep.core.verdicts import Finding, Severity
from veristep.guard.rule import Rule

RULE = Rule("CODE002", "code that is in no commit", Severity.INFO)
_MOST = 30


def finding(root: str, edited: Sequence[str], untracked: Sequence[str]) -> Finding:
    """Return the finding for edited tracked files, and for code and configuration that is untracked.

    Args:
        root: the repository.
        edited: tracked files that differ from the commit, or are gone.
        untracked: files that were executed or read as configuration, and are not tracked.
    """
    parts = [f"{len(edited)} edited"] if edited else []
    parts += [f"{len(untracked)} untracked"] if untracked else []
    first = [*edited, *untracked][0]
    lines = [f"edited: {each}" for each in edited] + [f"untracked: {each}" for each in untracked]
    return RULE.finding(
        f"{' and '.join(parts)} files of the code are in no commit, {first} for one",
        path=f"{root}/{first}",
        diff=[*lines[:_MOST], *([f"and {len(lines) - _MOST} more"] if len(lines) > _MOST else [])],
        hint="the record holds their content; a commit would say whose it is",
    )
