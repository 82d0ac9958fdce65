"""Where the modules come from that a run executed, and who can write them."""

from __future__ import annotations

import os
import re
import stat
import sys
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from veristep.core.verdicts import Finding
from veristep.guard import suspects
from veristep.guard.code import exposed, outside, shadow

# The interpreter's own modules and installed distributions, wherever they lie.
_SITE = re.compile(r"/(site-packages|dist-packages)/")
_STANDARD_PLACE = re.compile(r"/lib(64)?/python\d\.\d+/")
_STANDARD = "the standard library"


@dataclass(slots=True)
class Imported:
    """Sorts executed modules by where they are from.

    Attributes:
        root: the folder of the run's code.
        folders: where a top-level module of the run's own is looked for.
        tracked: files of the repository's commit; None when there is no repository.
        ignored: prefixes of paths that are ours.
        uid: of the run.
    """

    root: str
    folders: frozenset[str]
    tracked: frozenset[str] | None
    ignored: tuple[str, ...]
    uid: int = field(default_factory=os.getuid)
    _installed: dict[str, frozenset[str]] = field(default_factory=dict)
    own: list[str] = field(default_factory=list)
    outside: list[str] = field(default_factory=list)
    sites: set[str] = field(default_factory=set)
    seen: set[str] = field(default_factory=set)

    def take(self, paths: Iterable[str]) -> None:
        """Take in paths of executed modules."""
        for path in paths:
            if path in self.seen or path.startswith(self.ignored):
                continue
            self.seen.add(path)
            site = _SITE.search(path)
            if site:
                self.sites.add(path[: site.end() - 1])
            elif _STANDARD_PLACE.search(path):
                continue
            elif path.startswith(self.root.rstrip("/") + "/"):
                self.own.append(path)
            elif not _in_repository(path):
                self.outside.append(path)

    def untracked(self) -> list[str]:
        """Return modules below the root that are in no commit, relative to it."""
        if self.tracked is None:
            return []
        names = [os.path.relpath(path, self.root) for path in self.own]
        return sorted(each for each in names if each not in self.tracked)

    def findings(self) -> list[Finding]:
        """Return what is wrong, or worth telling, of them."""
        found = [*self._shadows(), *self._exposed()]
        if self.outside:
            found.append(outside.finding(sorted(self.outside)))
        return found

    def _shadows(self) -> list[Finding]:
        found = []
        for path in sorted([*self.own, *self.outside]):
            module = self._top_level(path)
            of = self._also_of(module) if module else ""
            if of:
                name = os.path.relpath(path, self.root)
                tracked = self.tracked is not None and name in self.tracked
                found.append(shadow.finding(path, module, of, tracked=tracked))
        return found

    def _top_level(self, path: str) -> str:
        """Return the name of a top-level module of the run's own; empty for one inside a package."""
        folder, name = os.path.split(path)
        if name == "__init__.py":
            folder, name = os.path.split(folder)
        stem = name.removesuffix(".py")
        return stem if folder in self.folders and stem.isidentifier() and stem != "__main__" else ""

    def _also_of(self, module: str) -> str:
        if module in sys.stdlib_module_names:
            return _STANDARD
        for site in self.sites:
            if site not in self._installed:
                try:
                    self._installed[site] = frozenset(os.listdir(site))  # noqa: PTH208
                except OSError:
                    self._installed[site] = frozenset()
            if {module, f"{module}.py"} & self._installed[site]:
                return site
        return ""

    def _exposed(self) -> list[Finding]:
        reasons: dict[tuple[str, bool], list[str]] = defaultdict(list)
        for path in sorted([*self.own, *self.outside]):
            for why in self._why_exposed(path):
                reasons[why].append(path)
        return [exposed.finding(paths, why, own=own) for (why, own), paths in reasons.items()]

    def _why_exposed(self, path: str) -> list[tuple[str, bool]]:
        try:
            status, folder = os.stat(path), os.stat(os.path.dirname(path))  # noqa: PTH116, PTH120
        except OSError:
            return []
        found = []
        if status.st_mode & stat.S_IWOTH:
            found.append(("everybody can write it", False))
        elif folder.st_mode & stat.S_IWOTH:
            found.append(("everybody can write to its folder", False))
        if status.st_uid not in (self.uid, 0):
            whole = path.startswith(self.root + "/") and self._owner_of_root() == status.st_uid
            found.append((f"it belongs to {suspects.user_name(status.st_uid)}", whole))
        return found

    def _owner_of_root(self) -> int:
        try:
            return os.stat(self.root).st_uid  # noqa: PTH116
        except OSError:
            return -1


def _in_repository(path: str) -> bool:
    return any((folder / ".git").exists() for folder in Path(path).parents)
