"""What is installed, as the installation itself says: names to ask the registry about, nothing more."""

from __future__ import annotations

import csv
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from veristep.guard.env.layout import Layout
from veristep.guard.env.scene import place
from veristep.supervise.env.lock import canonical
from veristep.supervise.installed import source_of

_INFO = ".dist-info"


@dataclass(frozen=True, slots=True)
class Installed:
    """One installed distribution.

    Attributes:
        name: as registries compare it.
        version: as installed.
        root: the folder it is installed in.
        tags: of its wheel.
        local: how it came, when from no registry: ``editable`` for example.
        record: paths its RECORD names, relative to `root`.
    """

    name: str
    version: str
    root: str
    tags: tuple[str, ...]
    local: str
    record: tuple[str, ...]


def of(layout: Layout) -> Iterator[Installed]:
    """Yield the distributions of an environment; of two in one folder with one name, both."""
    for root in layout.site:
        try:
            names = sorted(os.listdir(root))  # noqa: PTH208
        except OSError:
            continue
        for name in names:
            if name.endswith(_INFO):
                project, _, version = name.removesuffix(_INFO).rpartition("-")
                info = Path(root, name)
                source = source_of(info / "direct_url.json")
                local = f"{source[0]} install" if source else _other_installer(info, root)
                yield Installed(
                    canonical(project),
                    version,
                    root,
                    _tags(info / "WHEEL"),
                    local,
                    _record(info / "RECORD", root),
                )


def _other_installer(info: Path, root: str) -> str:
    """Return who installed it, when what they install is built otherwise than the registry's wheels."""
    if root.endswith("/dist-packages") and root.startswith("/usr/lib"):
        return "the system's package"
    try:
        named = (info / "INSTALLER").read_text(encoding="utf-8", errors="replace").strip()
    except OSError:
        return ""
    return "a conda package" if named == "conda" else ""


def _tags(path: Path) -> tuple[str, ...]:
    try:
        lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return ()
    return tuple(sorted(line[4:].strip() for line in lines if line.startswith("Tag:")))


def _record(path: Path, root: str) -> tuple[str, ...]:
    try:
        with path.open(encoding="utf-8", errors="surrogateescape", newline="") as file:
            names = [row[0] for row in csv.reader(file) if row]
    except (OSError, csv.Error):
        return ()
    return tuple(each for each in names if place(root, each).startswith("/") and not each.endswith(".pyc"))
