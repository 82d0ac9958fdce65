"""MEM012: machine code of a library was changed in the memory of a process.

The kernel keeps one copy of a file's pages for all who map it. A page that a process may execute and that
is no longer the file's, but a copy of its own, was written to; loaders do that to tables beside the code,
never to code. Such copies are counted as ``Anonymous``; ``Private_Dirty`` would count the file's own pages
too, while the file is new and not yet on the disk.
Source of the format: https://man7.org/linux/man-pages/man5/proc_pid_smaps.5.html
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from veristep.core.verdicts import Finding, Suspect
from veristep.guard import suspects
from veristep.guard.rule import Rule

RULE = Rule("MEM012", "machine code was changed in memory")

_HEAD = re.compile(r"^([0-9a-f]+)-([0-9a-f]+) (\S{4}) ([0-9a-f]+) \S+ (\d+) *(.*)$")
_COPIED = re.compile(r"^Anonymous:\s+(\d+) kB$")


@dataclass(frozen=True, slots=True)
class Dirty:
    """A part of a file that is mapped to be executed, and was written to.

    Attributes:
        path: the file.
        offset: where in the file the mapping begins, in bytes.
        kilobytes: how much of it was written to.
    """

    path: str
    offset: int
    kilobytes: int


def dirty(smaps: str) -> list[Dirty]:
    """Return the executable mappings of files that a process has written to, from ``/proc/PID/smaps``."""
    found: list[Dirty] = []
    current: tuple[str, int] | None = None
    for line in smaps.splitlines():
        head = _HEAD.match(line)
        if head:
            _, _, mode, offset, inode, path = head.groups()
            code = "x" in mode and inode != "0" and path.startswith("/")
            current = (path, int(offset, 16)) if code else None
            continue
        amount = _COPIED.match(line) if current else None
        if amount and current and int(amount[1]):
            found.append(Dirty(*current, int(amount[1])))
    return found


def of(changed: Dirty, pid: int, rank: int | None = None) -> Finding:
    """Return the finding of machine code that was changed."""
    path = changed.path.removesuffix(" (deleted)")
    return RULE.finding(
        f"{changed.kilobytes} kB of the code of {path} were written to in the memory of process {pid}",
        suspects=(
            *suspects.of_file(Path(path), how="its code is not as in the file in that process"),
            Suspect("process", str(pid), "its memory map, as the kernel has it"),
        ),
        rank=rank,
        path=path,
        got=f"{changed.kilobytes} kB behind byte {changed.offset}",
        pid=pid,
        hint="code in the process wrote there, or another of the same user (ptrace); look at what was "
        "loaded; a debugger's break points do this too",
    )
