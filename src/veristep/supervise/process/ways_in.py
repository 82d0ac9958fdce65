"""The files that let somebody in, or that run by themselves: watched for changes while a run goes on."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from blake3 import blake3

from veristep.core.verdicts import Finding, Severity
from veristep.guard import suspects
from veristep.guard.process import way_in

# Below the user's home: files, and folders of files.
_AT_HOME = (
    ".ssh/authorized_keys",
    ".ssh/authorized_keys2", ".ssh/rc", ".ssh/environment", ".ssh/config",
    ".bashrc", ".bash_profile", ".bash_login", ".profile", ".bash_logout", ".zshrc", ".zshenv", ".zprofile",
    ".zlogin", ".config/fish/config.fish", ".xprofile", ".pam_environment", ".rhosts", ".shosts",
    ".forward",
    ".config/systemd/user", ".local/share/systemd/user", ".config/autostart",
    ".config/environment.d", ".config/fish/conf.d", ".local/lib/systemd",
)  # fmt: skip
_OF_SYSTEM = (
    "/etc/crontab", "/etc/cron.d", "/etc/cron.hourly", "/etc/cron.daily", "/var/spool/cron/crontabs",
    "/var/spool/cron", "/var/spool/at", "/etc/systemd/system", "/etc/profile", "/etc/profile.d",
    "/etc/bash.bashrc", "/etc/ssh/sshd_config", "/etc/ssh/sshd_config.d", "/etc/ssh/authorized_keys",
    "/etc/ld.so.preload", "/etc/rc.local", "/etc/sudoers", "/etc/sudoers.d", "/etc/passwd", "/etc/pam.d",
    "/etc/environment", "/root/.ssh/authorized_keys",
)  # fmt: skip
_DOORS = (
    "/.ssh/authorized_keys",
    "/.ssh/rc",
    "/systemd/user/",
    "/.config/autostart/",
    "/spool/",
    ".rhosts",
)
MOST_FILES, MOST_BYTES = 2000, 4 << 20

State = tuple[int, int, int, int]


@dataclass(frozen=True, slots=True)
class Seen:
    """A file as it stood.

    Attributes:
        state: device, inode, size and change time.
        digest: of its bytes; empty when they may not be read.
    """

    state: State
    digest: str


def places(home: str) -> tuple[str, ...]:
    """Return the paths that are watched for a user with this home."""
    return (*(str(Path(home) / name) for name in _AT_HOME), *_OF_SYSTEM) if home else _OF_SYSTEM


class WaysIn:
    """Their state when the run began, and what changed since.

    Attributes:
        unread: files whose bytes may not be read: told by their change time alone.
    """

    def __init__(self, watched: Sequence[str]) -> None:
        self._watched = watched
        self._seen = {path: _seen(path, state) for path, state in _files(watched)}
        self.unread = sum(1 for each in self._seen.values() if not each.digest)

    @property
    def count(self) -> int:
        """How many files there are."""
        return len(self._seen)

    def look(self) -> list[Finding]:
        """Return what changed since the last look; the bytes decide where they can be read."""
        found, alive = [], set()
        for path, state in _files(self._watched):
            alive.add(path)
            before = self._seen.get(path)
            if before is not None and before.state == state:
                continue
            now = self._seen[path] = _seen(path, state)
            if before is None:
                found.append(_finding(path, "added", "", now.digest))
            elif before.digest != now.digest or not now.digest:
                found.append(_finding(path, "changed", before.digest, now.digest))
        gone = [path for path in self._seen if path not in alive]
        return found + [_finding(path, "deleted", self._seen.pop(path).digest, "") for path in gone]


def _finding(path: str, change: str, expected: str, got: str) -> Finding:
    also = suspects.of_file(Path(path), how=f"it was {change} during the run")
    # People edit their shell's start files, and administrators the system's: that alone is a note.
    doors = any(part in path for part in _DOORS) and not path.startswith("/etc/")
    severity = None if doors else Severity.INFO
    return way_in.of(path, change, also, expected=expected, got=got, severity=severity)


def _files(watched: Sequence[str]) -> Iterator[tuple[str, State]]:
    count = 0
    for place in watched:
        for path in _below(place):
            try:
                status = os.stat(path)  # noqa: PTH116 - hundreds of them, once a minute
            except OSError:
                continue
            if stat.S_ISREG(status.st_mode):
                count += 1
                yield path, (status.st_dev, status.st_ino, status.st_size, status.st_ctime_ns)
            if count >= MOST_FILES:
                return


def _below(place: str) -> Iterator[str]:
    if not os.path.isdir(place):  # noqa: PTH112
        yield place
        return
    for folder, _, names in os.walk(place):
        for name in sorted(names):
            yield os.path.join(folder, name)  # noqa: PTH118


def _seen(path: str, state: State) -> Seen:
    if state[2] > MOST_BYTES:
        return Seen(state, "")
    try:
        return Seen(state, f"blake3:{blake3(Path(path).read_bytes()).hexdigest()}")
    except OSError:
        return Seen(state, "")
