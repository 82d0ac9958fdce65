"""CODE005: code that others wrote or can write."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from veristep.core.verdicts import Finding, Severity
from veristep.guard import suspects
from veristep.guard.rule import Rule

RULE = Rule("CODE005", "code that others wrote or can write", Severity.WARNING)
_MOST = 30


def finding(paths: Sequence[str], why: str, *, own: bool = False) -> Finding:
    """Return the finding for code that was executed and that somebody else than the run's user answers for.

    Args:
        paths: the files, one at least.
        why: what is wrong with all of them.
        own: whether the whole checkout is that person's; then it is a note.
    """
    more = f" and {len(paths) - 1} more" if len(paths) > 1 else ""
    return RULE.finding(
        f"{paths[0]}{more}: the run executed it, and {why}",
        suspects=suspects.of_file(Path(paths[0]), how="it was executed"),
        severity=Severity.INFO if own else Severity.WARNING,
        path=paths[0],
        paths=list(paths[:_MOST]),
        count=len(paths),
        hint="keep code where only who answers for it can write: chmod o-w, or a copy of your own",
    )
