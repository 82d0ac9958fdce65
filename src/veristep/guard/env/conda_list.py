"""What conda says of the files of an environment: ``conda-meta/NAME-VERSION-BUILD.json``, one per package.

``paths_data.paths`` has a record per file: ``_path`` relative to the environment, ``sha256`` as the package
has it, and ``sha256_in_prefix`` as it was installed, where conda wrote the environment's path into it.
Compiled byte code and generated scripts have no digest there. The lists lie beside the files: whoever edits
one can edit the other. They are the weaker reference. Every list is read once per process.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

FOLDER = "conda-meta"
_LINKS = ("softlink", "directory")


@dataclass(frozen=True, slots=True)
class Package:
    """An installed package.

    Attributes:
        name: of the package.
        version: of it.
        place: path of its list.
        files: SHA-256, hex, by path relative to the environment; empty where the list has none.
    """

    name: str
    version: str
    place: str
    files: Mapping[str, str]

    @property
    def title(self) -> str:
        """Name and version."""
        return f"{self.name} {self.version}"


@lru_cache(4)
def packages(prefix: str) -> tuple[Package, ...]:
    """Return the packages of an environment; none where it is not conda's. A broken list has no files."""
    try:
        names = sorted(os.listdir(f"{prefix}/{FOLDER}"))  # noqa: PTH208
    except OSError:
        return ()
    return tuple(_read(f"{prefix}/{FOLDER}/{each}") for each in names if each.endswith(".json"))


def native(prefix: str) -> Iterator[str]:
    """Yield the programs and libraries of an environment outside the folders of Python's modules."""
    for package in packages(prefix):
        for name in package.files:
            folder, _, file = name.rpartition("/")
            if folder == "bin" or (folder == "lib" and ".so" in file):
                yield f"{prefix}/{name}"


def forget() -> None:
    """Read everything again at the next question."""
    packages.cache_clear()


def _read(place: str) -> Package:
    stem = place.rpartition("/")[2].removesuffix(".json")
    name, version, *_ = [*stem.rsplit("-", 2), "", ""]
    try:
        with open(place, "rb") as file:  # noqa: PTH123
            value = json.loads(file.read())
        name, version = str(value.get("name", name)), str(value.get("version", version))
        return Package(name, version, place, dict(_files(value)))
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return Package(name, version, place, {})


def _files(value: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    known = {}
    for each in value.get("paths_data", {}).get("paths", ()):
        if each.get("path_type") not in _LINKS:
            known[str(each["_path"])] = str(each.get("sha256_in_prefix") or each.get("sha256") or "")
    for each in value.get("files", ()):
        yield str(each), known.get(str(each), "")
    yield from known.items()
