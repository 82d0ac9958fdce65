"""One installed distribution, as its installation says."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Installed:
    """One installed distribution.

    Attributes:
        name: as registries compare it.
        version: as installed.
        root: the folder it is installed in.
        tags: of its wheel.
        local: why the registry's wheel is not what it has to be compared with; empty when it is.
        record: the files that are its own, relative to `root`.
    """

    name: str
    version: str
    root: str
    tags: tuple[str, ...]
    local: str
    record: tuple[str, ...]
