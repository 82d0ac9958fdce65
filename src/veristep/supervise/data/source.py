"""Where data lies: a folder or files of this machine, or what fsspec reaches."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from veristep.errors import NotFoundError, UsageError

State = tuple[int | str, ...]
"""What tells that a file was not touched, without reading it.

On this machine device, inode, size, modification and change time; elsewhere a version or tag.
"""

NOT_READ_LINK = "a symbolic link to a folder, which is not followed"
NOT_REGULAR = "not a regular file"
DANGLING = "a symbolic link that leads nowhere"


@dataclass(frozen=True, slots=True)
class Item:
    """A file that was found.

    Attributes:
        path: below the root, with slashes.
        size: in bytes.
        state: of the file itself, behind a link.
        link: target of the symbolic link it is; empty for none.
    """

    path: str
    size: int
    state: State
    link: str = ""


@dataclass(frozen=True, slots=True)
class Listing:
    """What was found, by path, and what cannot be locked, with the reason."""

    items: tuple[Item, ...]
    left_out: tuple[tuple[str, str], ...] = ()


class Opened(Protocol):
    """A file being read."""

    def read_into(self, buffer: memoryview, offset: int) -> int:
        """Read from `offset` on, as much as fits; return how much, less only at the end."""

    def state(self) -> State:
        """Return the state of what is being read."""


class Source(Protocol):
    """Where data lies.

    Attributes:
        root: the folder, or an address.
        chosen: files and folders below the root that were named; empty for all of it.
    """

    root: str
    chosen: tuple[str, ...]

    def listing(self) -> Listing:
        """List all files.

        Raises:
            VeristepError: they cannot be listed.
        """

    def state(self, path: str) -> State | None:
        """Return the state of a file now; None when it is gone or none."""

    def states(self) -> Callable[[str], State | None]:
        """Return what tells the state of any file, at the lowest cost for all of them.

        Raises:
            VeristepError: the files cannot be listed.
        """

    def open(self, path: str) -> AbstractContextManager[Opened]:
        """Open a file for reading.

        Raises:
            OSError: it cannot be.
        """

    def place(self, path: str) -> str:
        """Return the whole path of a file."""


def state_of(status: os.stat_result) -> State:
    """Return the state of a local file."""
    return (status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns)


class LocalFile:
    """A local file being read."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor

    def read_into(self, buffer: memoryview, offset: int) -> int:
        """Read from `offset` on, as much as fits."""
        done = 0
        while done < len(buffer):
            count = os.preadv(self._descriptor, [buffer[done:]], offset + done)
            if not count:
                break
            done += count
        return done

    def state(self) -> State:
        """Return the state of the file that is open, whatever stands at its path by now."""
        return state_of(os.fstat(self._descriptor))


class LocalSource:
    """A folder, or some files, of this machine."""

    def __init__(self, root: Path, chosen: Sequence[Path] = ()) -> None:
        """Take a folder; with `chosen`, only these files and folders below it."""
        self.root = str(root)
        self.chosen = tuple(os.path.relpath(each, root) for each in chosen)

    def listing(self) -> Listing:
        """List all files, in the order of their paths' bytes."""
        items: dict[str, Item] = {}
        left_out: dict[str, str] = {}
        for place in [self.place(each) for each in self.chosen] or [self.root]:
            for path in _walk(place, lambda path, why: left_out.update({self._name(path): why})):
                self._take(path, items, left_out)
        return Listing(
            tuple(items[name] for name in sorted(items, key=os.fsencode)), tuple(sorted(left_out.items()))
        )

    def state(self, path: str) -> State | None:
        """Return the state of a file now."""
        try:
            status = os.stat(self.place(path))  # noqa: PTH116
        except (OSError, ValueError):
            return None
        return state_of(status) if stat.S_ISREG(status.st_mode) else None

    def states(self) -> Callable[[str], State | None]:
        """Return what tells the state of any file when it is asked."""
        return self.state

    @contextmanager
    def open(self, path: str) -> Iterator[LocalFile]:
        """Open a file for reading; never waits, whatever stands there."""
        descriptor = os.open(self.place(path), os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
        try:
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                raise OSError(NOT_REGULAR)
            yield LocalFile(descriptor)
        finally:
            os.close(descriptor)

    def place(self, path: str) -> str:
        """Return the whole path of a file."""
        return os.path.join(self.root, path)  # noqa: PTH118

    def _name(self, path: str) -> str:
        prefix = self.root.rstrip("/") + "/"
        return path[len(prefix) :] if path.startswith(prefix) else os.path.relpath(path, self.root)

    def _take(self, path: str, items: dict[str, Item], left_out: dict[str, str]) -> None:
        name = self._name(path)
        try:
            status, link = os.lstat(path), ""
            if stat.S_ISLNK(status.st_mode):
                link = os.readlink(path)  # noqa: PTH115
                status = os.stat(path)  # noqa: PTH116
        except OSError as error:
            gone = isinstance(error, FileNotFoundError)
            left_out[name] = DANGLING if gone else f"cannot be looked at: {error.strerror}"
            return
        if stat.S_ISDIR(status.st_mode):
            left_out[name] = NOT_READ_LINK
        elif not stat.S_ISREG(status.st_mode):
            left_out[name] = NOT_REGULAR
        else:
            items[name] = Item(name, status.st_size, state_of(status), link)


def local(paths: Sequence[Path]) -> LocalSource:
    """Return the source for a folder, or for files.

    Raises:
        NotFoundError: one is not there.
        UsageError: none was named.
    """
    if not paths:
        raise UsageError("no data was named", hint="for example: veristep data lock /data/imagenet")
    found = [Path(os.path.abspath(path)) for path in paths]  # noqa: PTH100 - links stay what they are
    for path in found:
        if not path.exists():
            raise NotFoundError(f"there is no {path}", hint="check its spelling")
    if len(found) == 1 and found[0].is_dir():
        return LocalSource(found[0])
    folders = [path if path.is_dir() else path.parent for path in found]
    return LocalSource(Path(os.path.commonpath(folders)), found)


def _walk(place: str, left_out: Callable[[str, str], None]) -> Iterator[str]:
    if not os.path.isdir(place):  # noqa: PTH112
        yield place
        return

    def failed(error: OSError) -> None:
        left_out(str(error.filename), f"a folder that cannot be listed: {error.strerror}")

    for folder, folders, names in os.walk(place, onerror=failed):
        links = [name for name in folders if os.path.islink(os.path.join(folder, name))]  # noqa: PTH114, PTH118
        for name in [*names, *links]:
            yield os.path.join(folder, name)  # noqa: PTH118
