"""DATA003: a data file has the content of another one."""

from __future__ import annotations

from pathlib import Path

from veristep.core.verdicts import Finding, Suspect
from veristep.guard import suspects
from veristep.guard.rule import Rule

RULE = Rule("DATA003", "a data file has the content of another one")


def finding(place: str, name: str, other: str, when: str = "") -> Finding:
    """Return the finding for a file that has, whole, the content of another file of the manifest.

    Args:
        place: the file.
        name: of the data it belongs to.
        other: the file whose content it has.
        when: what else is known of the time, for a run.
    """
    found = suspects.of_file(Path(place), how="its content is not the locked one")
    content = Suspect("content", other, "all of its chunks are those of that file in the manifest")
    return RULE.finding(
        f"{place} has the content that the manifest of {name} gives {other}",
        suspects=(*found, content),
        path=place,
        data=name,
        other=other,
        detail=when,
        hint="what goes with the file by its name (labels, order, split) now goes with another content",
    )
