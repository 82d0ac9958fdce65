"""Who and what a changed file points to: its owner, its times, the last commit that touched it.

Each pointer says how it is known. A modification time can be set by anybody who can write the file; a
change time only by the kernel, or by who can set the clock.
"""

from __future__ import annotations

import os
import pwd
import subprocess
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

from veristep.core.verdicts import Suspect

_GIT_SECONDS = 5


def of_file(path: Path, *, how: str) -> tuple[Suspect, ...]:
    """Return what a file points to, itself first.

    Args:
        path: the file; one that is gone points to the folder it was in.
        how: how it is known that the file is involved.
    """
    found = [Suspect("file", str(path), how)]
    place, status = path, _status(path)
    while status is None and place != place.parent:
        place = place.parent
        status = _status(place)
    if status is None:
        return tuple(found)
    whose = "file" if place == path else "folder it was in"
    return (*found, *of_status(status.st_uid, status.st_gid, status.st_mode, status.st_ctime_ns, whose))


def _status(path: Path) -> os.stat_result | None:
    try:
        return path.lstat()
    except OSError:
        return None


def of_status(uid: int, gid: int, mode: int, ctime_ns: int, whose: str = "file") -> tuple[Suspect, ...]:
    """Return what a file's status points to, as it was when somebody looked.

    Args:
        uid: of the owner.
        gid: of the group.
        mode: its permissions.
        ctime_ns: its change time, nanoseconds since the epoch.
        whose: what the status is of, in words.
    """
    found = [
        Suspect("owner", user_name(uid), f"the {whose} belongs to them"),
        Suspect("changed", _when(ctime_ns), f"change time of the {whose}, kept by the kernel"),
    ]
    writers = writable_by(mode, gid)
    if writers:
        found.append(Suspect("writers", writers, f"mode {mode & 0o7777:o} of the {whose}"))
    return tuple(found)


def last_commit(path: Path) -> Suspect | None:
    """Return the last commit that touched a tracked file; None outside a repository, or without git."""
    words = ["log", "-1", "--format=%h %an %aI", "--", path.name]
    said = _git(path.parent, words)
    return Suspect("commit", said, "the last commit that touched the file") if said else None


def user_name(uid: int) -> str:
    """Return a user's name, or the number when nobody has it."""
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return f"uid {uid}"


def writable_by(mode: int, gid: int) -> str:
    """Return who else than its owner may write a file, in words; empty when nobody."""
    found = []
    if mode & 0o020:
        found.append(f"group {gid}")
    if mode & 0o002:
        found.append("everybody")
    return ", ".join(found)


def _when(nanoseconds: int) -> str:
    return datetime.fromtimestamp(nanoseconds / 1e9, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")


def _git(folder: Path, words: list[str]) -> str:
    # Configuration of the repository can name programs to run; asking must not run them.
    command = ["git", "-c", "core.fsmonitor=false", "-c", "core.hooksPath=/dev/null", *words]
    environment: Mapping[str, str] = {**os.environ, "GIT_OPTIONAL_LOCKS": "0"}
    try:
        done = subprocess.run(
            command, cwd=folder, capture_output=True, timeout=_GIT_SECONDS, check=False, env=environment
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.decode("utf-8", "replace").strip() if done.returncode == 0 else ""
