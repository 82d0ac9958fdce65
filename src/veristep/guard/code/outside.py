"""CODE006: code from outside any repository or distribution."""

from __future__ import annotations

from collections.abc import Sequence

from veristep.core.verdicts import Finding, Severity
from veristep.guard.rule import Rule

RULE = Rule("CODE006", "code from outside any repository or distribution", Severity.INFO)
_MOST = 30


def finding(paths: Sequence[str]) -> Finding:
    """Return the finding for modules that were executed and that nobody versions."""
    count = len(paths)
    what = f"{paths[0]} and {count - 1} more modules are" if count > 1 else f"{paths[0]} is"
    return RULE.finding(
        f"{what} in no repository and of no installed distribution",
        path=paths[0],
        paths=list(paths[:_MOST]),
        count=count,
        hint="a replay runs what lies there then; put it into a repository or a package",
    )
