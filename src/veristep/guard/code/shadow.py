"""CODE004: a module beside the script stands in front of an installed one."""

from __future__ import annotations

from pathlib import Path

from veristep.core.verdicts import Finding, Severity
from veristep.guard import suspects
from veristep.guard.rule import Rule

RULE = Rule("CODE004", "a module beside the script stands in front of an installed one", Severity.WARNING)


def finding(path: str, module: str, of: str, *, tracked: bool) -> Finding:
    """Return the finding for a module that was executed in place of one of the same name.

    Args:
        path: the file.
        module: its name.
        of: where the other one is from.
        tracked: whether it is in a commit; then it is a note.
    """
    return RULE.finding(
        f"{path} was imported as {module}, which is also the name of a module of {of}",
        suspects=suspects.of_file(Path(path), how="it was executed under the name of another module"),
        severity=Severity.INFO if tracked else Severity.WARNING,
        path=path,
        module=module,
        detail="tracked in git" if tracked else "in no commit",
        hint="every import of that name in this process, also by installed packages, gets this file",
    )
