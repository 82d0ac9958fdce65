"""Whose a file is by the RECORD of an installed distribution, where no reference is on record.

A weak statement: who can write a file beside a RECORD can write the RECORD. It tells what an installer put
there from what was dropped there; `veristep env lock` tells more.
"""

from __future__ import annotations

import base64
import hashlib
import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

from veristep.guard.env import dpkg

_METADATA = ".dist-info"
# Debian keeps no RECORD, but lists of its own: https://manpages.debian.org/dh_md5sums
PACKAGE_LISTS = dpkg.LISTS
_SYSTEM = "/usr/lib/python3"
_MAX_BYTES = 1 << 20
_SETUPTOOLS = re.compile(
    r"import os; var = 'SETUPTOOLS_USE_DISTUTILS'; enabled = os\.environ\.get\(var, '(?:local|stdlib)'\) "
    r"== 'local'; enabled and __import__\('(?P<module>_distutils_hack)'\)\.add_shim\(\);?"
)
_FINDER = re.compile(r"import (?P<module>__editable___\w+_finder); (?P=module)\.install\(\)")
_PROJECT = re.compile(r"^name\s*=\s*[\"']([^\"'\n]+)[\"']", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Owner:
    """The distribution whose RECORD lists a file.

    Attributes:
        title: its name and version.
        same: whether the file has the digest listed; None when none is listed.
    """

    title: str
    same: bool | None


def owner(path: str) -> Owner | None:
    """Return the distribution beside a file that lists it; None when none does."""
    folder, _, name = path.rpartition("/")
    return _listed(folder, name)


def recognised(path: str, lines: Sequence[str]) -> bool:
    """Whether lines of a start file are ones ordinary tools write, which call what came with them.

    Args:
        path: the file.
        lines: what of it runs, with runs of blanks as one.
    """
    return bool(lines) and all(_is_ordinary(path.rpartition("/")[0], each) for each in lines)


def looks_ordinary(lines: Sequence[str]) -> bool:
    """Whether a line has the form of an ordinary tool's, whatever it calls."""
    return any(_SETUPTOOLS.fullmatch(each) or _FINDER.fullmatch(each) for each in map(str.strip, lines))


def is_checkout(folder: str, name: str) -> bool:
    """Whether a folder holds the sources of a project of that name: its pyproject.toml says so."""
    wanted = _normalised(name)
    for place in (folder, os.path.dirname(folder)):  # noqa: PTH120
        try:
            with open(f"{place}/pyproject.toml", encoding="utf-8", errors="replace") as file:  # noqa: PTH123
                text = file.read(_MAX_BYTES)
        except OSError:
            continue
        return any(_normalised(each) == wanted for each in _PROJECT.findall(text))
    return False


def _normalised(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def _is_ordinary(folder: str, line: str) -> bool:
    match = _SETUPTOOLS.fullmatch(line.strip()) or _FINDER.fullmatch(line.strip())
    if match is None:
        return False
    # The line is only as good as the module it calls.
    module = match["module"]
    candidates = (f"{module}.py", f"{module}/__init__.py")
    names = [each for each in candidates if os.path.exists(f"{folder}/{each}")]  # noqa: PTH110
    found = [_listed(folder, each) for each in names]
    return bool(found) and all(each is not None and each.same for each in found)


def _listed(folder: str, name: str) -> Owner | None:
    for title, record in _records(folder):
        for start in (f"\n{name},", f'\n"{name}",'):
            at = record.find(start)
            if at >= 0:
                row = record[at + 1 :].partition("\n")[0].rstrip("\r")
                listed = row.split(",")[-2]
                return Owner(title, _digest(f"{folder}/{name}") == listed if listed else None)
    return _of_system(f"{folder}/{name}") if folder.startswith(_SYSTEM) else None


def _of_system(path: str) -> Owner | None:
    """Return the package of the system that lists a file; its lists belong to root."""
    found = dpkg.listed(PACKAGE_LISTS, below=(_SYSTEM[1:],)).get(path[1:])
    return Owner(found.package, _md5(path) == found.md5) if found else None


def _md5(path: str) -> str:
    try:
        with open(path, "rb") as file:  # noqa: PTH123
            return hashlib.md5(file.read(_MAX_BYTES), usedforsecurity=False).hexdigest()
    except OSError:
        return ""


@lru_cache(16)
def _records(folder: str) -> tuple[tuple[str, str], ...]:
    """Return the RECORD of every distribution in a folder, each line behind a line feed; read once."""
    try:
        names = sorted(each for each in os.listdir(folder) if each.endswith(_METADATA))  # noqa: PTH208
    except OSError:
        return ()
    found = []
    for each in names:
        try:
            with open(f"{folder}/{each}/RECORD", encoding="utf-8", errors="replace") as file:  # noqa: PTH123
                found.append((each.removesuffix(_METADATA).replace("-", " ", 1), "\n" + file.read()))
        except OSError:
            continue
    return tuple(found)


def forget() -> None:
    """Read everything again at the next question."""
    _records.cache_clear()


def _digest(path: str) -> str:
    try:
        with open(path, "rb") as file:  # noqa: PTH123
            data = file.read(_MAX_BYTES)
    except OSError:
        return ""
    return "sha256=" + base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()
