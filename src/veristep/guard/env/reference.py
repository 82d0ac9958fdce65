"""The reference an environment is compared with: every file of every distribution, by digest.

Where it comes from decides what a comparison proves, so each distribution says it: `Source.REGISTRY` is
what was published; `Source.SEEN` is only what stood there when the environment was locked. RECORD, which
whoever edits a file can edit too, is never the reference. Format: ``docs/formats/environment.md``.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from veristep.core.canonical import Json, encode
from veristep.errors import MalformedError

FORMAT = "veristep-environment/1"
# A script whose first line names the interpreter it was installed for: digest of what follows that line.
AFTER_FIRST_LINE = "after-first-line:"


class Source(StrEnum):
    """Where the digests of a distribution's files come from."""

    REGISTRY = "registry"
    SEEN = "seen"


@dataclass(frozen=True, slots=True)
class Distribution:
    """One installed distribution.

    Attributes:
        name: as registries compare it.
        version: as installed.
        source: where the digests come from.
        root: folder with installed packages that `files` are relative to.
        files: SHA-256 (hex) of each file by path; ``../../../bin/name`` for what lies elsewhere, as in
            RECORD.
        scripts: path of each generated console script and the ``module:function`` it calls.
        wheel: name of the registry's file.
        sha256: its digest.
        tags: of the wheel, as the installation says them.
        why: why the registry is not the source, in words.
        owned: other files that belong to it and have no digest: byte code the wheel brings.
    """

    name: str
    version: str
    source: Source
    root: str
    files: Mapping[str, str]
    scripts: Mapping[str, str] = field(default_factory=dict)
    wheel: str = ""
    sha256: str = ""
    tags: tuple[str, ...] = ()
    why: str = ""
    owned: tuple[str, ...] = ()

    @property
    def title(self) -> str:
        """Name and version."""
        return f"{self.name} {self.version}"

    def to_json(self) -> dict[str, Json]:
        """Return the JSON form."""
        return {
            "name": self.name,
            "version": self.version,
            "source": self.source.value,
            "root": self.root,
            "files": dict(self.files),
            "scripts": dict(self.scripts),
            "wheel": self.wheel,
            "sha256": self.sha256,
            "tags": list(self.tags),
            "why": self.why,
            "owned": list(self.owned),
        }


@dataclass(frozen=True, slots=True)
class Reference:
    """What an environment has to consist of.

    Attributes:
        prefix: the environment's folder.
        library: the folder of the standard library.
        python: the interpreter's version, ``3.11``.
        distributions: what is installed.
        seen: SHA-256 of the standard library's files, relative to `library`, as they were when locked.
        byte_code: SHA-256 of byte-code files, by absolute path, that were compiled from the source beside
            them when the environment was locked.
        extra: SHA-256 of files that belonged to nothing, by absolute path, and were there when locked.
    """

    prefix: str
    library: str
    python: str
    distributions: tuple[Distribution, ...]
    seen: Mapping[str, str] = field(default_factory=dict)
    byte_code: Mapping[str, str] = field(default_factory=dict)
    extra: Mapping[str, str] = field(default_factory=dict)

    def to_bytes(self) -> bytes:
        """Return it as canonical JSON."""
        return encode(
            {
                "format": FORMAT,
                "prefix": self.prefix,
                "library": self.library,
                "python": self.python,
                "distributions": [each.to_json() for each in self.distributions],
                "seen": dict(self.seen),
                "byte_code": dict(self.byte_code),
                "extra": dict(self.extra),
            }
        )

    def verified(self) -> Iterator[Distribution]:
        """Yield the distributions whose files the registry vouches for."""
        return (each for each in self.distributions if each.source is Source.REGISTRY)


def from_bytes(data: bytes) -> Reference:
    """Read a reference whose digest was checked.

    Raises:
        MalformedError: it is none.
    """
    try:
        # Not the strict decoder: this is read before every run, and its bytes are the ledger's own.
        value = json.loads(data)
        if value["format"] != FORMAT:
            raise MalformedError(f"not the reference of an environment ({FORMAT}): {value['format']!r}")
        return Reference(
            prefix=str(value["prefix"]),
            library=str(value["library"]),
            python=str(value["python"]),
            distributions=tuple(map(_distribution, value["distributions"])),
            seen=_texts(value["seen"]),
            byte_code=_texts(value["byte_code"]),
            extra=_texts(value["extra"]),
        )
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise MalformedError(f"not the reference of an environment ({FORMAT}): {error!r}") from error


def _distribution(value: Mapping[str, object]) -> Distribution:
    return Distribution(
        name=str(value["name"]),
        version=str(value["version"]),
        source=Source(str(value["source"])),
        root=str(value["root"]),
        files=_texts(value["files"]),
        scripts=_texts(value["scripts"]),
        wheel=str(value["wheel"]),
        sha256=str(value["sha256"]),
        tags=_list(value["tags"]),
        why=str(value["why"]),
        owned=_list(value["owned"]),
    )


def _texts(value: object) -> dict[str, str]:
    if not isinstance(value, dict):
        raise MalformedError(f"expected an object with digests, got {type(value).__name__}")
    return value


def _list(value: object) -> tuple[str, ...]:
    if not isinstance(value, list):
        raise MalformedError(f"expected a list, got {type(value).__name__}")
    return tuple(map(str, value))
