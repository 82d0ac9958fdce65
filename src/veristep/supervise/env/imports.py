"""What the processes of a run imported and mapped, as it is put on record.

A module is kept with the digest of the code that ran (`guard.env.code_digest`), a native library with the
state of its file. Neither holds a time: runs that import the same share one object of the store. Format:
``docs/formats/environment.md``.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field

from veristep.errors import MalformedError

FORMAT = "veristep-imports/1"
ENTRY = "run.imported"
_MOST_BYTES = 64 << 20


@dataclass(frozen=True, slots=True)
class Build:
    """What a source has to be compiled with to become the same code.

    Attributes:
        version: how the interpreter names its build.
        optimize: its level of optimisation.
    """

    version: str
    optimize: int


@dataclass(slots=True)
class Imports:
    """What was imported so far; filled by one thread.

    Attributes:
        modules: by build and path of the source, the digests of the code that ran; an empty one where the
            interpreter knew the file by another name, which is part of its code.
        libraries: by path, the state of the file that was mapped; empty when another stood there by then.
        grown: whether something was added since it was last put on record.
    """

    modules: dict[Build, dict[str, set[str]]] = field(default_factory=dict)
    libraries: dict[str, str] = field(default_factory=dict)
    grown: bool = False

    def module(self, build: Build, path: str, digest: str) -> None:
        """Note that a module ran."""
        digests = self.modules.setdefault(build, {}).setdefault(path, set())
        if digest not in digests:
            digests.add(digest)
            self.grown = True

    def library(self, path: str, state: str) -> None:
        """Note that a library was mapped."""
        if path not in self.libraries:
            self.libraries[path] = state
            self.grown = True

    def count(self) -> int:
        """Return how many modules there are."""
        return len({path for each in self.modules.values() for path in each})

    def to_bytes(self) -> bytes:
        """Return the object that is put on record."""
        value = {
            "format": FORMAT,
            "modules": [
                {
                    "version": build.version,
                    "optimize": build.optimize,
                    "files": {path: sorted(digests) for path, digests in files.items()},
                }
                for build, files in sorted(self.modules.items(), key=lambda each: repr(each[0]))
            ],
            "libraries": self.libraries,
        }
        # Not the canonical encoder: paths can hold what no encoding has.
        return zlib.compress(json.dumps(value, sort_keys=True, separators=(",", ":")).encode())


def from_bytes(data: bytes) -> Imports:
    """Read what was put on record.

    Raises:
        MalformedError: it is none.
    """
    try:
        reader = zlib.decompressobj()
        text = reader.decompress(data, _MOST_BYTES)
        if reader.unconsumed_tail:
            raise MalformedError(f"the imports of a run are larger than {_MOST_BYTES >> 20} MiB")
        if not reader.eof:
            raise MalformedError("the imports of a run are cut short")
        value = json.loads(text)
        if value["format"] != FORMAT:
            raise MalformedError(f"not the imports of a run ({FORMAT}): {value['format']!r}")
        modules = {
            Build(str(each["version"]), int(each["optimize"])): _digests(each["files"])
            for each in value["modules"]
        }
        libraries = {str(path): str(state) for path, state in value["libraries"].items()}
    except (zlib.error, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise MalformedError(f"not the imports of a run ({FORMAT}): {error!r}") from error
    return Imports(modules, libraries)


def _digests(files: Mapping[str, list[str]]) -> dict[str, set[str]]:
    return {str(path): set(map(str, digests)) for path, digests in files.items()}
