"""CODE003: an edit that git does not show."""

from __future__ import annotations

from pathlib import Path

from veristep.core.verdicts import Finding, Severity
from veristep.guard import suspects
from veristep.guard.rule import Rule

RULE = Rule("CODE003", "an edit that git does not show", Severity.WARNING)


def finding(path: str, how: str, *, blob: str, now: str, own: bool = False) -> Finding:
    """Return the finding for a tracked file that differs from its commit without git saying so.

    Args:
        path: the file.
        how: what hides it.
        blob: git's digest of the committed content.
        now: of the content as it is.
        own: whether the user's own configuration explains it.
    """
    return RULE.finding(
        f"{path} differs from its commit, and git does not show it: {how}",
        suspects=suspects.of_file(Path(path), how="its content is not the committed one"),
        severity=Severity.INFO if own else Severity.WARNING,
        path=path,
        expected=f"blob {blob}",
        got=f"blob {now}",
        detail=how,
        hint="see it with: git show HEAD:FILE | diff - FILE",
    )
