"""The lock of an environment: every distribution with its version and the registry's digest of its file."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from veristep.errors import MalformedError
from veristep.supervise.env.recorded import Local, RecordedPython

OURSELVES = "veristep"
_NAME = re.compile(r"[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?")
_VERSION = re.compile(r"[A-Za-z0-9.!+_-]+")


@dataclass(frozen=True, slots=True)
class Pin:
    """A distribution in one version, with the SHA-256 of the file that the registry names for it."""

    name: str
    version: str
    sha256: str = ""

    @property
    def requirement(self) -> str:
        """The pin as pip reads it, without its digest."""
        return f"{self.name}=={self.version}"


@dataclass(frozen=True, slots=True)
class Lock:
    """All pins of an environment, and the interpreter's version they are for."""

    python: str
    pins: tuple[Pin, ...]

    def text(self) -> str:
        """Return the lock as pip reads it: one hashed requirement in a line, sorted by name."""
        lines = [f"# python {self.python}"]
        lines += [
            f"{pin.requirement} --hash=sha256:{pin.sha256}" if pin.sha256 else pin.requirement
            for pin in sorted(self.pins, key=lambda pin: canonical(pin.name))
        ]
        return "\n".join(lines) + "\n"

    @property
    def digest(self) -> str:
        """The digest of the text, by which an environment built from it is known."""
        return "sha256:" + hashlib.sha256(self.text().encode()).hexdigest()


def canonical(name: str) -> str:
    """Return a distribution's name as registries compare it (PEP 503)."""
    return re.sub(r"[-_.]+", "-", name).lower()


def wanted(python: RecordedPython) -> tuple[Lock, tuple[Local, ...]]:
    """Return what a registry is asked for, without digests, and what no registry can have.

    Veristep is neither: whoever audits brings their own.

    Raises:
        MalformedError: a recorded name or version is none.
    """
    local = {canonical(each.name): each for each in python.local}
    local.pop(OURSELVES, None)
    pins = []
    for name, version in python.installed:
        if not _NAME.fullmatch(name) or not _VERSION.fullmatch(version):
            raise MalformedError(f"not a distribution and its version: {name[:80]!r} {version[:80]!r}")
        if canonical(name) not in local and canonical(name) != OURSELVES:
            pins.append(Pin(canonical(name), version))
    return Lock(python.version, tuple(pins)), tuple(local[name] for name in sorted(local))


def from_report(python: str, report: Mapping[str, Any], asked: Sequence[Pin]) -> Lock:
    """Return the lock with the digests that pip's report of a resolution names.

    Args:
        python: the interpreter's version.
        report: as ``pip install --dry-run --report`` writes it, version 1.
        asked: the pins it was asked for.

    Raises:
        MalformedError: a digest is missing, or another version was found.
    """
    found: dict[str, Pin] = {}
    try:
        for each in report["install"]:
            name, version = canonical(each["metadata"]["name"]), str(each["metadata"]["version"])
            hashes = each["download_info"]["archive_info"].get("hashes") or {}
            found[name] = Pin(name, version, str(hashes.get("sha256", "")))
    except (KeyError, TypeError, AttributeError) as error:
        raise MalformedError(f"pip's report of what the registry has cannot be read: {error!r}") from error
    for pin in asked:
        got = found.get(canonical(pin.name))
        if got is None or not got.sha256:
            raise MalformedError(f"the registry names no digest of {pin.requirement}")
    return Lock(python, tuple(found[canonical(pin.name)] for pin in asked))


def names(pins: Iterable[Pin | Local]) -> str:
    """Return some distributions in words."""
    return ", ".join(f"{each.name}=={each.version}" for each in pins)
