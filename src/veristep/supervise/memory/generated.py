"""Judges functions made from strings by what their module's source says of the name they stand under."""

from __future__ import annotations

import warnings
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from veristep.core.verdicts import Finding
from veristep.guard.memory import definitions, replaced
from veristep.guard.memory.definitions import By, Definitions
from veristep.guard.memory.owners import Whose
from veristep.guard.memory.told import Code, Found

_NOT_WRITTEN = "their source makes them when it is executed"
_NO_SOURCE = "their module has no source"
# What only an import binds may come from where it is made.
_IMPORTED = frozenset((By.IMPORT,))
_WRITTEN = frozenset((By.DEF,))
_MOST_CODES = 100_000


@dataclass(slots=True)
class Generated:
    """What one process has that was made from strings.

    Attributes:
        counts: what was compared, and what came of it.
    """

    counts: Counter[tuple[str, str]]
    _sources: dict[str, Definitions | None] = field(default_factory=dict)
    _made: set[Code] = field(default_factory=set)
    _imported: list[Found] = field(default_factory=list)

    def judge(self, found: Found, file: str, path: str) -> Finding | None:
        """Judge one name.

        Args:
            found: what stands there.
            file: of the module.
            path: the name within the module.
        """
        known = self._definitions(file)
        made = [each for each in found.codes if each.whose is Whose.GENERATED]
        if known is None:
            self.counts["names", _NO_SOURCE] += 1
            return None
        by = known.get(path, frozenset())
        if by == _WRITTEN:
            self.counts["names", ""] += 1
            return replaced.of(found)
        if by == _IMPORTED:
            self._imported.append(found)
            return None
        if len(self._made) < _MOST_CODES:
            self._made.update(made)
        # Methods that a class has by its decorator, its base or its metaclass have such names.
        name = path.rpartition(".")[2]
        expected = not by and "." in path and name.startswith("__") and name.endswith("__")
        self.counts["names", "" if expected else _NOT_WRITTEN] += 1
        return None

    def settle(self) -> Iterator[Finding]:
        """Judge what was imported, when all of a round was told: it is made elsewhere, or nowhere."""
        imported, self._imported = self._imported, []
        for each in imported:
            self.counts["names", ""] += 1
            made = {code for code in each.codes if code.whose is Whose.GENERATED}
            finding = None if made <= self._made else replaced.of(each)
            if finding is not None:
                yield finding

    def _definitions(self, file: str) -> Definitions | None:
        if file not in self._sources:
            self._sources[file] = _read(file)
        return self._sources[file]


def _read(file: str) -> Definitions | None:
    if not file.endswith(".py"):
        return None
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return definitions.of_source(Path(file).read_bytes())
    except (OSError, SyntaxError, ValueError, RecursionError, MemoryError):
        return None
