"""DATA004: a file lies in the data that its manifest does not know."""

from __future__ import annotations

from pathlib import Path

from veristep.core.verdicts import Finding, Severity
from veristep.guard import suspects
from veristep.guard.rule import Rule

RULE = Rule("DATA004", "a file lies in the data that its manifest does not know", Severity.WARNING)


def finding(place: str, name: str, same_as: str = "", *, read: bool = False) -> Finding:
    """Return the finding for a file below the data's root that is not in the manifest.

    Args:
        place: the file.
        name: of the data.
        same_as: a file of the manifest that has its content; empty for none.
        read: whether a run read it.
    """
    how = "a run read it, and the manifest does not name it" if read else "the manifest does not name it"
    copy = f", a copy of {same_as}" if same_as else ""
    what = "was read, and is not in" if read else "is not in"
    return RULE.finding(
        f"{place} {what} the manifest of {name}{copy}",
        suspects=suspects.of_file(Path(place), how=how),
        path=place,
        data=name,
        hint="a loader that lists the folder reads it too; lock the data again if it belongs there",
    )
