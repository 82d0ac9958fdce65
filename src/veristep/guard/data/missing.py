"""DATA002: a data file is gone."""

from __future__ import annotations

from pathlib import Path

from veristep.core.verdicts import Finding
from veristep.guard import suspects
from veristep.guard.rule import Rule

RULE = Rule("DATA002", "a data file is gone")


def finding(place: str, name: str, now_at: str = "", *, when: str = "") -> Finding:
    """Return the finding for a file of the manifest that is not there.

    Args:
        place: where it was.
        name: of the data it belongs to.
        now_at: an unknown file that has its content; empty for none.
        when: what else is known of the time, for a run.
    """
    moved = f"; {now_at} has its content" if now_at else ""
    return RULE.finding(
        f"{place} is in the manifest of {name} and not there{moved}",
        suspects=suspects.of_file(Path(place), how="it is gone"),
        path=place,
        data=name,
        detail=when,
        hint="put it back, or lock the data again if it is meant to be gone",
    )
