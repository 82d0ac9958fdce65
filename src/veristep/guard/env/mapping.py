"""What a process has mapped to execute it: lines of ``/proc/PID/maps`` (proc(5))."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass

_LINE = re.compile(
    r"[0-9a-f]+-[0-9a-f]+ (?P<mode>\S{4}) [0-9a-f]+ (?P<major>[0-9a-f]+):(?P<minor>[0-9a-f]+)"
    r" (?P<inode>\d+) +(?P<path>/.*)"
)
_DELETED = " (deleted)"
# Memory that has a name and no file: shared memory, closures of libffi, just-in-time compilers.
_MEMORY = ("/memfd:", "/dev/", "/SYSV", "/anon_hugepage", "/tmp/ffi")  # noqa: S108 - names to be skipped
_ESCAPE = re.compile(r"\\([0-7]{3})")


@dataclass(frozen=True, slots=True)
class Mapped:
    """A file that a process has mapped executable.

    Attributes:
        path: as the process opened it.
        device: number of the file system, as ``st_dev``.
        inode: of the file that is mapped, whatever stands at its path now.
        deleted: whether the kernel says that it has no name any more.
    """

    path: str
    device: int
    inode: int
    deleted: bool


def executable(maps: str) -> list[Mapped]:
    """Return the files of all executable mappings, each once."""
    found: dict[Mapped, None] = {}
    for line in maps.splitlines():
        match = _LINE.fullmatch(line)
        if match is None or "x" not in match["mode"] or match["path"].startswith(_MEMORY):
            continue
        path = match["path"]
        deleted = path.endswith(_DELETED)
        path = _ESCAPE.sub(lambda octal: chr(int(octal[1], 8)), path.removesuffix(_DELETED))
        device = os.makedev(int(match["major"], 16), int(match["minor"], 16))
        found[Mapped(path, device, int(match["inode"]), deleted)] = None
    return list(found)
