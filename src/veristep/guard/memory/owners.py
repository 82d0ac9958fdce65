"""Whose the code is that was found in memory: told from the file it is said to come from.

For the supervisor: nothing here is imported in a training process.
"""

from __future__ import annotations

import csv
import io
import json
import os
import stat
import sys
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cache
from pathlib import Path

from veristep.guard.env import environment_makers

_SITE_FILES = ("sitecustomize.py", "usercustomize.py")
_COMPILED = ("torchinductor_", "/torchinductor/", "/inductor/", "/triton/")


class Whose(StrEnum):
    """Whose a file is, the most trusted first."""

    OURS = "Veristep's"
    STANDARD = "the standard library's"
    INSTALLED = "an installed distribution's"
    COMPILED = "a compiler's"
    OWN = "the run's own code"
    VERSIONED = "another repository's"
    OUTSIDE = "outside the run's code and of no distribution"
    START = "executed at the start of every process"
    UNLISTED = "beside installed packages, listed by none"
    EXPOSED = "where everybody can write"
    GENERATED = "made from a string"
    GONE = "gone, or never there"


RECORDED = frozenset((Whose.OURS, Whose.STANDARD, Whose.INSTALLED, Whose.COMPILED))
"""What is checked elsewhere against what was published."""


@dataclass(frozen=True, slots=True)
class Folders:
    """Where what lies, for one interpreter.

    Attributes:
        library: of the standard library.
        site: folders with installed packages.
        root: of the run's own code.
        ours: Veristep's package and the run's boot directory.
        compiled: caches of compilers.
    """

    library: str
    site: tuple[str, ...]
    root: str
    ours: tuple[str, ...]
    compiled: tuple[str, ...] = ()


@dataclass(slots=True)
class Owners:
    """Tells whose files are, and remembers it."""

    folders: Folders
    _known: dict[str, Whose] = field(default_factory=dict)

    def of(self, file: str) -> Whose:
        """Return whose a file is."""
        if file not in self._known:
            self._known[file] = self._of(file)
        return self._known[file]

    def _of(self, file: str) -> Whose:
        if file.startswith("<"):
            frozen = file.removeprefix("<frozen ").rstrip(">").partition(".")[0]
            return Whose.STANDARD if frozen in sys.stdlib_module_names else Whose.GENERATED
        folders = self.folders
        if _below(file, folders.ours):
            return Whose.OURS
        name = os.path.basename(file)  # noqa: PTH119
        if name in _SITE_FILES and _exists(file):
            return Whose.START
        for site in folders.site:
            if _below(file, (site,)):
                return self._in_site(file, site)
        if _below(file, (folders.library,)):
            return Whose.STANDARD if _exists(file) else Whose.GONE
        if _below(file, folders.compiled) or any(part in file for part in _COMPILED):
            return Whose.COMPILED
        if not _exists(file):
            return Whose.GONE
        if _below(file, (folders.root,)):
            return Whose.OWN
        if _is_exposed(file):
            return Whose.EXPOSED
        return Whose.VERSIONED if _in_repository(file) else Whose.OUTSIDE

    @staticmethod
    def _in_site(file: str, site: str) -> Whose:
        listed, complete = _listed(site)
        if os.path.relpath(file, site) in listed or not complete:
            return Whose.INSTALLED
        if environment_makers.wrote(f"{site}/{environment_makers.START_FILE}", [environment_makers.LINE]):
            made = f"{site}/{environment_makers.MODULE}"
            if file == made:
                return Whose.INSTALLED
        return Whose.UNLISTED if _exists(file) else Whose.GONE


def distribution(file: str, sites: tuple[str, ...]) -> str:
    """Return the top-level package a file belongs to; empty outside of all."""
    for site in sites:
        if _below(file, (site,)):
            return os.path.relpath(file, site).partition("/")[0]
    return ""


@cache
def _listed(site: str) -> tuple[frozenset[str], bool]:
    """Return the files that distributions of a folder list, relative to it, and whether all have lists."""
    found: set[str] = set()
    complete = site.endswith("site-packages")
    try:
        names = os.listdir(site)  # noqa: PTH208
    except OSError:
        return frozenset(), False
    for each in names:
        if each.endswith(".dist-info"):
            try:
                text = Path(site, each, "RECORD").read_text(encoding="utf-8", errors="replace")
            except OSError:
                complete = False
                continue
            found.update(row[0] for row in csv.reader(io.StringIO(text)) if row)
        elif each.endswith((".egg-info", ".egg")):
            complete = False
    for place in Path(site).parents[2].glob("conda-meta/*.json"):
        try:
            files = json.loads(place.read_text(encoding="utf-8")).get("files", ())
        except (OSError, ValueError):
            complete = False
            continue
        prefix = f"{os.path.relpath(site, Path(site).parents[2])}/"
        found.update(str(each).removeprefix(prefix) for each in files)
    return frozenset(found), complete


def _below(file: str, folders: tuple[str, ...]) -> bool:
    if any(folder and file.startswith(f"{folder.rstrip('/')}/") for folder in folders):
        return True
    real = os.path.realpath(file)
    return any(folder and real.startswith(f"{os.path.realpath(folder)}/") for folder in folders)


def _exists(file: str) -> bool:
    return os.path.isfile(file)  # noqa: PTH113


def _is_exposed(file: str) -> bool:
    try:
        modes = [os.stat(each).st_mode for each in (file, os.path.dirname(file))]  # noqa: PTH116, PTH120
    except OSError:
        return False
    sticky = modes[1] & stat.S_ISVTX
    return bool(modes[0] & stat.S_IWOTH or (modes[1] & stat.S_IWOTH and not sticky))


def _in_repository(file: str) -> bool:
    return any((folder / ".git").exists() for folder in Path(file).parents)
