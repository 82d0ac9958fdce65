"""What a sandboxed process sees, and as whom: plain descriptions, the same for every means."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import PurePath

# Who a replay is when nothing else is asked for: nobody that owns anything.
OWN_ID = 65534
HOST = "room"


@dataclass(frozen=True, slots=True)
class Mount:
    """A file or folder `source` of this machine, seen at `place`."""

    source: str
    place: str
    writable: bool = False


@dataclass(frozen=True, slots=True)
class View:
    """All of a machine's files that a process may see.

    Attributes:
        mounts: what is seen where; a place inside another place covers that part of it.
        folders: places that are there, empty and lost afterwards.
    """

    mounts: tuple[Mount, ...] = ()
    folders: tuple[str, ...] = ()

    def ordered(self) -> list[Mount]:
        """Return the mounts, outer places first; of two at one place the last one given counts."""
        unique = {each.place: each for each in self.mounts}
        return sorted(unique.values(), key=lambda each: len(PurePath(each.place).parts))

    def in_place(self, *, writable: bool) -> list[str]:
        """Return what is seen at its own place, read-only or writable."""
        return [
            each.place for each in self.ordered() if each.writable == writable and each.source == each.place
        ]

    def with_mounts(self, more: Iterable[Mount]) -> View:
        """Return a view that shows more."""
        return View((*self.mounts, *more), self.folders)


@dataclass(frozen=True, slots=True)
class Identity:
    """Who and where a process believes to be.

    Attributes:
        host: host name.
        user: login name.
        uid: user and group id.
        home: home folder.
    """

    host: str = HOST
    user: str = "replay"
    uid: int = OWN_ID
    home: str = "/"

    def files(self) -> dict[str, str]:
        """Return the contents of the system's files that name users and hosts."""
        group = f"{self.user}:x:{self.uid}:\n"
        users = f"{self.user}:x:{self.uid}:{self.uid}::{self.home}:/bin/sh\n"
        if self.uid != 0:
            group += "root:x:0:\n"
            users += "root:x:0:0:root:/:/usr/sbin/nologin\n"
        hosts = f"127.0.0.1 localhost {self.host}\n::1 localhost ip6-localhost\n"
        return {"/etc/passwd": users, "/etc/group": group, "/etc/hosts": hosts}


@dataclass(frozen=True, slots=True)
class Launch:
    """A process to be started in a sandbox."""

    command: Sequence[str]
    cwd: str
    environment: dict[str, str]
    view: View
    identity: Identity
    folder: str
    """A private folder for what the sandbox itself needs."""
