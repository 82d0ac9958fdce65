"""The processes of a run as ``/proc`` shows them (`proc(5)`): descent, state, tracer, program."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from veristep.core.verdicts import Suspect
from veristep.guard.suspects import user_name

MOST_PROCESSES = 1024
_NOBODY = 4294967295


@dataclass(frozen=True, slots=True)
class Process:
    """A process at a moment.

    Attributes:
        pid: its number.
        parent: its parent's.
        state: one letter, as the kernel has it.
        tracer: who debugs it; 0 when nobody.
        uid: its real user.
        name: as the kernel has it, 15 bytes.
        threads: how many.
    """

    pid: int
    parent: int
    state: str
    tracer: int
    uid: int
    name: str
    threads: int


def parse(text: str) -> Process | None:
    """Return what a ``status`` file says; None when it is none."""
    fields: dict[str, str] = {}
    for line in text.splitlines():
        key, _, value = line.partition(":")
        fields[key] = value.strip()
    try:
        return Process(
            int(fields["Pid"]),
            int(fields["PPid"]),
            fields["State"][:1],
            int(fields["TracerPid"]),
            int(fields["Uid"].split()[0]),
            fields["Name"],
            int(fields["Threads"]),
        )
    except (KeyError, ValueError, IndexError):
        return None


def look(pid: int) -> Process | None:
    """Return a process; None when it is gone."""
    try:
        return parse(Path(f"/proc/{pid}/status").read_text(encoding="utf-8", errors="replace"))
    except OSError:
        return None


def tree(root: int) -> Iterator[Process]:
    """Yield a process and its descendants, parents first."""
    waiting, count = [root], 0
    while waiting and count < MOST_PROCESSES:
        pid = waiting.pop()
        count += 1
        process = look(pid)
        if process is not None:
            yield process
            waiting += children(pid)


def children(pid: int) -> list[int]:
    """Return the children of all threads of a process."""
    found: list[int] = []
    with contextlib.suppress(OSError, ValueError):
        for task in Path(f"/proc/{pid}/task").iterdir():
            with contextlib.suppress(OSError):
                found += [int(word) for word in (task / "children").read_text(encoding="ascii").split()]
    return found


def command(pid: int) -> str:
    """Return the command line, in words; empty when the process is gone or has none."""
    try:
        data = Path(f"/proc/{pid}/cmdline").read_bytes()[:500]
    except OSError:
        return ""
    return data.rstrip(b"\0").replace(b"\0", b" ").decode("utf-8", "replace")


def program(pid: int) -> str:
    """Return the file a process executes; empty when it may not be told."""
    try:
        return os.readlink(f"/proc/{pid}/exe")  # noqa: PTH115 - its text is wanted, deleted or not
    except OSError:
        return ""


def known_as(pid: int) -> str:
    """Return by what a program is known from run to run: its file's name, and its script's for Python."""
    name = Path(program(pid)).name
    words = command(pid).split()
    if not name.startswith("python") or len(words) < 2:
        return name
    if "-c" in words[1:3] or "-m" in words[1:3]:
        return f"{name} {' '.join(words[1:5])}"[:60]
    script = next((word for word in words[1:] if not word.startswith("-")), "")
    return f"{name} {Path(script).name}"


def started(pid: int) -> int:
    """Return when a process was started, in the kernel's ticks; 0 when it is gone.

    With it a number that names another process by now is told apart.
    """
    try:
        return int(Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].split()[19])
    except (OSError, ValueError, IndexError):
        return 0


def ancestors(pid: int) -> frozenset[int]:
    """Return the numbers of those a process descends from."""
    found: set[int] = set()
    process = look(pid)
    while process is not None and process.parent and process.parent not in found:
        found.add(process.parent)
        process = look(process.parent)
    return frozenset(found)


def login(pid: int) -> str:
    """Return who logged in to start a process; empty when nobody did, or it may not be told."""
    try:
        number = int(Path(f"/proc/{pid}/loginuid").read_text(encoding="ascii"))
    except (OSError, ValueError):
        return ""
    return "" if number == _NOBODY else user_name(number)


def suspects(pid: int, how: str) -> tuple[Suspect, ...]:
    """Return what a process points to: itself, its command, its user.

    Args:
        pid: of the process; it may be gone.
        how: how it is known that it is involved.
    """
    found = [Suspect("process", str(pid), how)]
    process, said, logged = look(pid), command(pid), login(pid)
    if said:
        found.append(Suspect("command", said, "its command line, as it said so itself"))
    if process is not None:
        found.append(Suspect("user", user_name(process.uid), "the kernel's word"))
    if logged:
        found.append(Suspect("login", logged, "who logged in to start it, kept by the kernel"))
    return tuple(found)
