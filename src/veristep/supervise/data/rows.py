"""Small files of rows (labels, splits, prompts): kept as text, so that a changed row can be shown."""

from __future__ import annotations

import difflib
from collections.abc import Sequence

# What promises rows; docs/formats/data.md names them.
KEPT_SUFFIXES = (
    ".csv", ".tsv", ".json", ".jsonl", ".ndjson", ".txt", ".yaml", ".yml", ".toml", ".labels", ".lst",
)  # fmt: skip
KEEP_BYTES = 1 << 20
KEEP_ALL_BYTES = 64 << 20
MAX_SHOWN = 12
_WIDTH = 160


def is_kept(path: str, size: int) -> bool:
    """Whether a file's text is kept with the manifest."""
    return size <= KEEP_BYTES and path.lower().endswith(KEPT_SUFFIXES)


def text_of(data: bytes) -> str | None:
    """Return a file's text; None when it is none."""
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError:
        return None
    return None if "\0" in text else text


def changed_rows(before: str, now: str) -> tuple[int | None, list[str]]:
    """Return the number of the first line that differs, from 1, and the differing lines.

    A line that was there begins with ``-``, one that is there now with ``+``, each with its number.
    """
    old, new = before.splitlines(), now.splitlines()
    first: int | None = None
    shown: list[str] = []
    for what, a, b, c, d in difflib.SequenceMatcher(None, old, new, autojunk=False).get_opcodes():
        if what == "equal":
            continue
        first = first or c + 1
        shown += [f"- {a + at + 1}: {_cut(line)}" for at, line in enumerate(old[a:b])]
        shown += [f"+ {c + at + 1}: {_cut(line)}" for at, line in enumerate(new[c:d])]
    more = len(shown) - MAX_SHOWN
    if first is None and before != now:
        first, shown = 1, ["only the ends of lines differ"]
    return first, shown[:MAX_SHOWN] + ([f"and {more} more lines"] if more > 0 else [])


def lines_of_range(data: Sequence[str], start: int, stop: int) -> tuple[int, int]:
    """Return the first and last line, from 1, that touch bytes from `start` to before `stop`."""
    at, first, last = 0, 1, 1
    for number, line in enumerate(data, 1):
        size = len(line.encode("utf-8", "surrogateescape"))
        if at <= start:
            first = number
        if at < stop:
            last = number
        at += size
    return first, last


def _cut(line: str) -> str:
    return line if len(line) <= _WIDTH else line[:_WIDTH] + "…"
