"""What dpkg says of the files of Python and of packages of the system: MD5 digests, on the same disk.

``/var/lib/dpkg/info/PACKAGE.md5sums`` has a line per file (dh_md5sums(1)); the MD5 of a configuration file
stands in ``/var/lib/dpkg/status``, below ``Conffiles``. It is the weaker reference: MD5 can be collided,
and root can write the lists. Every list is read once per process.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from functools import lru_cache
from typing import NamedTuple

LISTS, STATUS = "/var/lib/dpkg/info", "/var/lib/dpkg/status"
BASE = "/usr"
PACKAGES = "/usr/lib/python3/dist-packages"
BELOW = ("usr/lib/python3", "etc/python3")


class Listed(NamedTuple):
    """A file of a package.

    Attributes:
        package: its name.
        md5: of the file, hex.
    """

    package: str
    md5: str


@lru_cache(4)
def listed(
    lists: str = LISTS, status: str = STATUS, below: tuple[str, ...] = BELOW
) -> Mapping[str, Listed]:
    """Return the files of Python and its packages, by path without the leading slash."""
    found: dict[str, Listed] = {}
    try:
        names = sorted(os.listdir(lists))  # noqa: PTH208
    except OSError:
        return found
    for name in names:
        if not name.endswith(".md5sums"):
            continue
        package = name.removesuffix(".md5sums").partition(":")[0]
        for line in _text(f"{lists}/{name}").splitlines():
            digest, _, path = line.partition("  ")
            if path.startswith(below):
                found[path] = Listed(package, digest)
    for package, _, files in _status(status):
        found |= {path: Listed(package, digest) for path, digest in files.items() if path.startswith(BELOW)}
    return found


@lru_cache(4)
def versions(status: str = STATUS) -> Mapping[str, str]:
    """Return the version of each installed package."""
    return {package: version for package, version, _ in _status(status)}


@lru_cache(4)
def _status(place: str) -> tuple[tuple[str, str, Mapping[str, str]], ...]:
    """Return name, version and configuration files of every package."""
    found = []
    for paragraph in _text(place).split("\n\n"):
        name = version = ""
        files: dict[str, str] = {}
        inside = False
        for line in paragraph.splitlines():
            if line.startswith("Package: "):
                name = line[9:].strip()
            elif line.startswith("Version: "):
                version = line[9:].strip()
            if inside and line.startswith(" /"):
                words = line.split()
                files[words[0][1:]] = words[1] if len(words) > 1 else ""
            else:
                inside = line.startswith("Conffiles:")
        if name:
            found.append((name, version, files))
    return tuple(found)


def forget() -> None:
    """Read everything again at the next question."""
    for each in (listed, versions, _status):
        each.cache_clear()


def _text(path: str) -> str:
    try:
        with open(path, encoding="utf-8", errors="surrogateescape") as file:  # noqa: PTH123
            return file.read()
    except OSError:
        return ""
