"""FILE006: a recorded file is gone, and no recorded run removed it."""

from __future__ import annotations

from pathlib import Path

from veristep.core.verdicts import Finding, Severity
from veristep.guard import suspects
from veristep.guard.rule import Rule

RULE = Rule("FILE006", "a recorded file is gone, and no recorded run removed it", Severity.WARNING)


def finding(path: str, where: str, now_at: str = "") -> Finding:
    """Return the finding for a file that is not there any more.

    Args:
        path: where it was.
        where: the run and step that wrote it.
        now_at: another recorded path that has its content; empty for none.
    """
    copy = f"; {now_at} has its content" if now_at else ""
    return RULE.finding(
        f"{path} ({where}) is gone, and no recorded run removed it{copy}",
        suspects=suspects.of_file(Path(path), how="it is gone"),
        path=path,
        hint="a person who tidies up leaves this too: ask; put it back from a copy if it is needed",
    )
