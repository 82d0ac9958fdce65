"""What a run recorded of its Python environment."""

from __future__ import annotations

import re
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_LIBRARY = re.compile(r"(?P<prefix>/.*)/lib(?:64)?/python\d+\.\d+t?")
_PACKAGES = re.compile(r".*/(?:site|dist)-packages")


@dataclass(frozen=True, slots=True)
class Local:
    """A distribution that came from no registry.

    Attributes:
        name: as installed.
        version: as installed.
        how: ``editable``, ``folder``, ``file`` or ``repository``.
        source: where from.
    """

    name: str
    version: str
    how: str
    source: str


@dataclass(frozen=True, slots=True)
class RecordedPython:
    """A process's Python environment as its run recorded it.

    Attributes:
        executable: the interpreter.
        build: how the interpreter names its own build.
        path: where modules were looked for.
        installed: ``(name, version)`` of each distribution.
        local: those that came from no registry.
    """

    executable: str
    build: str
    path: tuple[str, ...]
    installed: tuple[tuple[str, str], ...] = ()
    local: tuple[Local, ...] = ()

    @property
    def prefix(self) -> str:
        """The environment's folder."""
        return str(Path(self.executable).parent.parent)

    @property
    def base(self) -> str:
        """The folder of the installation that holds the standard library."""
        for each in self.path:
            found = _LIBRARY.fullmatch(each)
            if found:
                return found["prefix"]
        return self.prefix

    @property
    def virtual(self) -> bool:
        """Whether it is a virtual environment."""
        return self.base != self.prefix

    @property
    def version(self) -> str:
        """The interpreter's version, such as ``3.11.7``."""
        words = self.build.split()
        return words[1] if len(words) > 1 else ""

    def packages(self) -> list[str]:
        """Return the folders of installed packages."""
        return [each for each in self.path if _PACKAGES.fullmatch(each)]

    def added(self) -> list[str]:
        """Return the folders that something in the environment added to the search."""
        own = (self.base + "/lib", self.prefix + "/lib")
        return [
            each
            for each in self.path
            if each.startswith("/") and not each.startswith(own) and not _PACKAGES.fullmatch(each)
        ]


def of_run(lines: Sequence[Mapping[str, Any]]) -> RecordedPython:
    """Return the environment of a run's processes from its ``environment`` lines.

    The launcher and the ranks may differ in what they search; the one that searches most is the ranks'.
    A run recorded before these lines said where modules were looked for is taken to have used this
    interpreter.
    """
    found = [each for each in map(_of_line, lines) if each is not None]
    if not found:
        return RecordedPython(sys.executable, "", tuple(each for each in sys.path if each))
    return max(found, key=lambda each: len(each.installed))


def _of_line(line: Mapping[str, Any]) -> RecordedPython | None:
    if line.get("type") != "environment" or not isinstance(line.get("path"), list):
        return None
    installed = [str(each).partition("==") for each in line.get("installed", ())]
    return RecordedPython(
        executable=str(line.get("executable", "")),
        build=str(line.get("build", "")),
        path=tuple(str(each) for each in line["path"]),
        installed=tuple((name, version) for name, _, version in installed),
        local=tuple(Local(*map(str, each)) for each in line.get("local", ()) if len(each) == 4),
    )
