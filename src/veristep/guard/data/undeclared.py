"""DATA006: a run read files outside its declared data."""

from __future__ import annotations

from collections.abc import Sequence

from veristep.core.verdicts import Finding, Severity
from veristep.guard.rule import Rule

RULE = Rule("DATA006", "a run read files outside its declared data", Severity.INFO)
_MOST = 50


def finding(paths: Sequence[str], names: Sequence[str]) -> Finding:
    """Return the finding for what a run read and no manifest of its data knows.

    Args:
        paths: the files.
        names: of the data it declares.
    """
    declared = ", ".join(names)
    count = len(paths)
    what = f"{paths[0]}" if count == 1 else f"{count} files, {paths[0]} for one,"
    return RULE.finding(
        f"{what} {'was' if count == 1 else 'were'} read outside the declared data ({declared})",
        path=paths[0],
        paths=list(paths[:_MOST]),
        count=count,
        hint="declare what is data: lock it, and name it with --data or in veristep.toml",
    )
