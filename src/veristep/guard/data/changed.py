"""DATA001: a data file is not what its manifest says."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from veristep.core.verdicts import Finding
from veristep.guard import suspects
from veristep.guard.rule import Rule

RULE = Rule("DATA001", "a data file is not what its manifest says")
_MOST_RANGES = 8


def finding(
    place: str,
    name: str,
    *,
    ranges: Sequence[tuple[int, int]],
    sizes: tuple[int, int],
    rows: tuple[int | None, Sequence[str]] = (None, ()),
    when: str = "",
) -> Finding:
    """Return the finding for a file whose content is another one.

    Args:
        place: its path.
        name: of the data it belongs to.
        ranges: bytes that differ, from and to before, by whole chunks; empty when that is not known.
        sizes: in the manifest, and now.
        rows: number of the first line that differs, and the lines, where both texts are at hand.
        when: what else is known of the time, for a run.
    """
    before, now = sizes
    line, diff = rows
    detail = [f"differs in {_in_words(ranges)}"] if ranges else []
    expected, got = (f"{before} bytes", f"{now} bytes") if before != now else ("", "")
    return RULE.finding(
        f"{place} is not what the manifest of {name} says",
        suspects=suspects.of_file(Path(place), how="its content is not the locked one"),
        path=place,
        data=name,
        ranges=[list(each) for each in ranges[:_MOST_RANGES]],
        line=line,
        diff=list(diff),
        expected=expected,
        got=got,
        detail="; ".join([*detail, *([when] if when else [])]),
        hint="if the change is meant, lock the data again: veristep data lock",
    )


def _in_words(ranges: Sequence[tuple[int, int]]) -> str:
    shown = ", ".join(f"{start} to {stop}" for start, stop in ranges[:3])
    more = f" and {len(ranges) - 3} more ranges" if len(ranges) > 3 else ""
    return f"bytes {shown}{more}"
