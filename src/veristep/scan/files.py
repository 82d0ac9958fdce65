"""Which files lie below a path: all of them, and what is no file is told too."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from pathlib import Path

from veristep.scan.scanner import path_text
from veristep.scan.seen import Outcome, Report, Seen, Sort


def found(paths: Iterable[Path]) -> Iterator[Path | Report]:
    """Yield what is to be scanned, folder by folder in order; a report for what cannot be.

    A link to a file stands for the file. A link to a folder is not followed below a path: it may lead
    anywhere, also back.
    """
    for path in paths:
        if path.is_dir():
            yield from _below(path)
        else:
            yield path


def _below(folder: Path) -> Iterator[Path | Report]:
    try:
        with os.scandir(folder) as entries:
            ordered = sorted(entries, key=lambda each: each.name)
    except OSError as error:
        yield _not(folder, f"the folder cannot be read: {error.strerror}")
        return
    for entry in ordered:
        path = Path(entry.path)
        if entry.is_dir(follow_symlinks=False):
            yield from _below(path)
        elif entry.is_symlink() and path.is_dir():
            yield _not(path, "it is a symbolic link to a folder, which is not followed")
        else:
            yield path


def _not(path: Path, why: str) -> Report:
    return Report(path_text(path), "not scanned", (Seen(Sort.UNSCANNED, Outcome.UNKNOWN, why),))
