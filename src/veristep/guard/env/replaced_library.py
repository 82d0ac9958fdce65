"""ENV041: a native library is not the file that was loaded any more."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from veristep.core.verdicts import Finding, Severity
from veristep.guard import suspects
from veristep.guard.env.mapping import Mapped
from veristep.guard.env.ran_otherwise import is_installed
from veristep.guard.rule import Rule

RULE = Rule("ENV041", "A native library was changed while it was in use")


@dataclass(frozen=True, slots=True)
class Standing:
    """What stands at the path of a mapped file now.

    Attributes:
        device: number of its file system; 0 when nothing stands there.
        inode: its number.
        changed_ns: its change time.
    """

    device: int = 0
    inode: int = 0
    changed_ns: int = 0


def of(mapped: Mapped, now: Standing, since_ns: int) -> Finding | None:
    """Return what is wrong with a library that is in use; None when nothing is.

    Args:
        mapped: as a process has it.
        now: what stands at its path.
        since_ns: from when on it should have stayed as it was: the start of the process, or the last look.
    """
    severity = Severity.ERROR if is_installed(mapped.path) else Severity.WARNING
    if mapped.deleted or not now.inode:
        stands = "another file stands in its place" if now.inode else "nothing stands in its place"
        return _finding(mapped, f"{mapped.path} is in use and was deleted: {stands}", severity)
    if mapped.device == now.device and mapped.inode != now.inode:
        return _finding(mapped, f"{mapped.path} is in use and was replaced by another file", severity)
    # What is made during a run, compiled for it, is younger than the process and no installed file.
    if is_installed(mapped.path) and now.changed_ns > since_ns:
        return _finding(mapped, f"{mapped.path} was changed while it was in use", severity)
    return None


def _finding(mapped: Mapped, summary: str, severity: Severity) -> Finding:
    pointed = suspects.of_file(Path(mapped.path), how="a process of the run executes what it held")
    return RULE.finding(
        summary,
        severity=severity,
        suspects=pointed,
        path=mapped.path,
        hint="an upgrade under the run, or somebody exchanged it; compare it with what is published",
    )
