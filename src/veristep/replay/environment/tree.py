"""The content of a folder: every file in it by digest, so that any change of it is found later."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from blake3 import blake3

from veristep.core.canonical import Json, decode_object, encode
from veristep.errors import MalformedError

FORMAT = "veristep-tree/1"
_THREADS = 4
_READ_BYTES = 1 << 20

Entry = tuple[str, int, str]
"""What stands at a path: its kind (``file``, ``link`` or ``other``), its mode, its digest or target."""


def take(folder: Path) -> dict[str, Entry]:
    """Return what stands at every path below a folder; folders count by what is in them.

    Raises:
        OSError: it cannot be read.
    """
    paths = list(_walk(str(folder), ""))
    with ThreadPoolExecutor(_THREADS) as pool:
        return dict(zip(paths, pool.map(lambda path: _entry(folder / path), paths), strict=True))


def differences(expected: Mapping[str, Entry], actual: Mapping[str, Entry]) -> list[str]:
    """Return the paths at which two trees differ, in order."""
    return sorted(
        path for path in expected.keys() | actual.keys() if expected.get(path) != actual.get(path)
    )


def to_bytes(tree: Mapping[str, Entry]) -> bytes:
    """Return a tree as canonical JSON."""
    files: dict[str, Json] = {path: list(entry) for path, entry in tree.items()}
    return encode({"format": FORMAT, "files": files})


def from_bytes(data: bytes) -> dict[str, Entry]:
    """Read a tree.

    Raises:
        MalformedError: it is none.
    """
    value = decode_object(data)
    files = value.get("files")
    if value.get("format") != FORMAT or not isinstance(files, Mapping):
        raise MalformedError(f"not the content of a folder ({FORMAT})")
    found: dict[str, Entry] = {}
    for path, entry in files.items():
        match entry:
            case [str(kind), int(mode), str(what)]:
                found[path] = (kind, mode, what)
            case _:
                raise MalformedError(f"not an entry of a folder: {entry!r}")
    return found


def _walk(folder: str, prefix: str) -> Iterator[str]:
    with os.scandir(os.path.join(folder, prefix)) as entries:  # noqa: PTH118
        for entry in sorted(entries, key=lambda each: each.name):
            path = f"{prefix}{entry.name}"
            if entry.is_dir(follow_symlinks=False):
                yield from _walk(folder, path + "/")
            else:
                yield path


def _entry(path: Path) -> Entry:
    status = path.lstat()
    mode = stat.S_IMODE(status.st_mode)
    if stat.S_ISLNK(status.st_mode):
        return "link", 0, os.readlink(path)  # noqa: PTH115
    if not stat.S_ISREG(status.st_mode):
        return "other", mode, ""
    hasher = blake3()
    with path.open("rb", buffering=0) as file:
        while block := file.read(_READ_BYTES):
            hasher.update(block)
    return "file", mode, hasher.hexdigest()
