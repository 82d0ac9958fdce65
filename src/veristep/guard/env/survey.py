"""What stands on the disk: every file below some folders, with its digest.

Reading a gigabyte takes seconds, asking for the state of its files a fraction. A file whose device, inode,
size, modification and change time are what they were has the digest it had: a change time is set by the
kernel at every write, rename and change of times, and cannot be chosen without setting the clock or writing
to the disk below the file system. What was read is remembered under a key that only the ledger has.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import stat
import time
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

_HEAD = b"veristep-survey/2"
FULL_NS = 7 * 24 * 3600 * 10**9
_THREADS = 4
_READ_BYTES = 1 << 20
_SETTLED_NS = 1_000_000_000
_SMALL_BYTES = 1 << 15
# Files that one thread takes at a time.
_CHUNK = 64
CACHE_FOLDER = "__pycache__"
UNREADABLE = "unreadable"
NOT_A_FILE = "not-a-file"
# Paths can hold any byte; they are kept as the file system's, and separated by what no path can hold.
_ENCODING = ("utf-8", "surrogateescape")


class File(NamedTuple):
    """One file.

    Attributes:
        state: device, inode, size, modification and change time, links: as text.
        digest: SHA-256, hex, of the content it resolves to; or `UNREADABLE`, `NOT_A_FILE`.
        links: how many names the file has.
        fresh: whether it was read now, and not taken from an earlier reading.
    """

    state: str
    digest: str
    links: int = 1
    fresh: bool = True


@dataclass(frozen=True, slots=True)
class Survey:
    """All files found.

    Attributes:
        files: by absolute path.
        unreadable: folders that could not be looked into.
        read: how many files were read.
        began_ns: when it began, nanoseconds since the epoch.
    """

    files: Mapping[str, File]
    unreadable: tuple[str, ...] = ()
    read: int = 0
    began_ns: int = 0


@dataclass(frozen=True, slots=True)
class Memory:
    """What was read earlier.

    Attributes:
        files: state and digest by path.
        full_ns: when the last reading of every byte began that came to its end; 0 when there was none.
    """

    files: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    full_ns: int = 0

    def is_old(self, now_ns: int) -> bool:
        """Whether every byte is to be read again, whatever the state of the files says."""
        # A time in the future would put it off for ever.
        return not 0 <= now_ns - self.full_ns <= FULL_NS


def take(
    folders: Iterable[str],
    single: Iterable[str],
    memory: Memory,
    *,
    byte_code: bool,
    skip: Iterable[str] = (),
) -> Survey:
    """Return what stands below folders, and at single places that exist.

    Args:
        folders: looked through; links to folders are named, not followed.
        single: further files.
        memory: what was read earlier; an empty one has every byte read.
        byte_code: whether to look into ``__pycache__``.
        skip: folders that are left out.
    """
    began_ns = time.time_ns()
    states: dict[str, tuple[str, int, int]] = {}
    unreadable: list[str] = []
    left_out = frozenset(skip)
    waiting = [each for each in folders if each not in left_out]
    while waiting:
        folder = waiting.pop()
        try:
            _look_into(folder, states, waiting, byte_code=byte_code, left_out=left_out)
        except OSError:
            unreadable.append(folder)
    for path in single:
        if path not in states and os.path.lexists(path):
            _note(states, path, _status(path))
    known = memory.files
    files: dict[str, File] = {}
    asked = []
    for path, (state, links, mode) in states.items():
        earlier = known.get(path)
        if not stat.S_ISREG(mode):
            files[path] = File(state, NOT_A_FILE, links)
        elif earlier is not None and earlier[0] == state:
            files[path] = File(state, earlier[1], links, fresh=False)
        else:
            asked.append(path)
    for path, digest in zip(asked, _read(asked), strict=True):
        state, links, _ = states[path]
        files[path] = File(state, digest, links)
    return Survey(files, tuple(unreadable), len(asked), began_ns)


def _look_into(
    folder: str,
    states: dict[str, tuple[str, int, int]],
    waiting: list[str],
    *,
    byte_code: bool,
    left_out: frozenset[str],
) -> None:
    # By descriptor: the kernel need not walk the whole path again for each of thirty thousand files.
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        with os.scandir(descriptor) as entries:
            for entry in entries:
                path = f"{folder}/{entry.name}"
                if entry.is_dir(follow_symlinks=False):
                    if (byte_code or entry.name != CACHE_FOLDER) and path not in left_out:
                        waiting.append(path)
                else:
                    # A link to a file counts as what it resolves to.
                    try:
                        found = entry.stat()
                    except OSError:
                        found = entry.stat(follow_symlinks=False)
                    _note(states, path, found)
    finally:
        os.close(descriptor)


def _status(path: str) -> os.stat_result:
    try:
        return os.stat(path)  # noqa: PTH116
    except OSError:
        return os.lstat(path)


def _note(states: dict[str, tuple[str, int, int]], path: str, found: os.stat_result) -> None:
    state = f"{found.st_dev} {found.st_ino} {found.st_size} {found.st_mtime_ns} {found.st_ctime_ns}"
    states[path] = state, found.st_nlink, found.st_mode


def _read(paths: list[str]) -> list[str]:
    # Many small files: handing them to threads one by one would cost more than reading them.
    chunks = [paths[at : at + _CHUNK] for at in range(0, len(paths), _CHUNK)]
    if len(chunks) < 2:
        return _digests(paths)
    with ThreadPoolExecutor(_THREADS) as pool:
        return [each for chunk in pool.map(_digests, chunks) for each in chunk]


def _digests(paths: list[str]) -> list[str]:
    return [digest(each) for each in paths]


def digest(path: str) -> str:
    """Return the SHA-256 of a file, hex, or `UNREADABLE`."""
    try:
        # Whoever puts a FIFO there after it was looked at must not hang this.
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return UNREADABLE
    try:
        block = os.read(descriptor, _SMALL_BYTES)
        if len(block) < _SMALL_BYTES:
            # Most files: one reading that is shorter than what was asked for has all of it.
            return hashlib.sha256(block).hexdigest()
        hasher = hashlib.sha256(block)
        while block := os.read(descriptor, _READ_BYTES):
            hasher.update(block)
    except OSError:
        return UNREADABLE
    finally:
        os.close(descriptor)
    return hasher.hexdigest()


def remember(place: Path, survey: Survey, secret: bytes, full_ns: int) -> None:
    """Keep what was read. That it could not be kept costs the next check time, nothing else.

    Args:
        place: the file.
        survey: what was read.
        secret: key of the file.
        full_ns: when the last reading of every byte began that came to its end.
    """
    # A file changed twice within a tick of the clock has one change time for both.
    settled = survey.began_ns - _SETTLED_NS
    kept = [
        (path, each.state, each.digest)
        for path, each in survey.files.items()
        if int(each.state.rpartition(" ")[2]) < settled
    ]
    # By column: a file of a hundred thousand cells is taken apart in four steps.
    columns = ["\0".join(column) for column in zip(*kept, strict=True)] or ["", "", ""]
    text = "\0\n".join([str(full_ns), *columns]).encode(*_ENCODING)
    temporary = place.with_name(f"{place.name}.{os.getpid()}")
    try:
        place.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        with open(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:  # noqa: PTH123
            file.write(_HEAD + b" " + _mac(text, secret) + b"\n" + text)
        temporary.replace(place)
    except OSError:
        temporary.unlink(missing_ok=True)


def recall(place: Path, secret: bytes) -> Memory:
    """Return what was read earlier; nothing when it was not kept, or not by who has the key."""
    try:
        data = place.read_bytes()
    except OSError:
        return Memory()
    head, _, text = data.partition(b"\n")
    if not hmac.compare_digest(head, _HEAD + b" " + _mac(text, secret)):
        return Memory()
    full_ns, *columns = text.decode(*_ENCODING).split("\0\n")
    paths, states, digests = (each.split("\0") for each in columns)
    return Memory(dict(zip(paths, zip(states, digests, strict=True), strict=True)), int(full_ns))


def _mac(text: bytes, secret: bytes) -> bytes:
    return hmac.new(secret, text, hashlib.sha256).hexdigest().encode()
