"""What is installed, as the installation itself says: names to ask the registry about, nothing more."""

from __future__ import annotations

import csv
import os
from collections.abc import Iterator
from pathlib import Path

from veristep.guard.env import dpkg
from veristep.guard.env.layout import Layout
from veristep.guard.env.scene import place
from veristep.guard.env.wheel import NOT_PUBLISHED
from veristep.supervise.env import other_makers
from veristep.supervise.env.installed import Installed
from veristep.supervise.env.lock import canonical
from veristep.supervise.installed import source_of

_INFO, _EGG = ".dist-info", ".egg-info"


def of(layout: Layout) -> Iterator[Installed]:
    """Yield the distributions of an environment; of two in one folder with one name, both."""
    yield from other_makers.of_conda(layout)
    yield from other_makers.of_system(layout)
    for root in layout.site:
        try:
            names = sorted(os.listdir(root))  # noqa: PTH208
        except OSError:
            continue
        for name in names:
            if root == dpkg.PACKAGES:
                continue  # the system's: what dpkg lists
            if name.endswith(_INFO) and _installer(root, name) != "conda":
                yield _of_info(root, name)
            elif name.endswith(_EGG):
                yield other_makers.of_egg(root, name)


def _of_info(root: str, name: str) -> Installed:
    project, _, version = name.removesuffix(_INFO).rpartition("-")
    info = Path(root, name)
    source = source_of(info / "direct_url.json")
    record = _record(info / "RECORD", root)
    # A folder with metadata is its own, whatever else it lists.
    own = tuple(f"{name}/{each}" for each in _names(info) if each not in NOT_PUBLISHED)
    return Installed(
        canonical(project),
        version,
        root,
        _tags(info / "WHEEL"),
        f"{source[0]} install" if source else "",
        record or own,
    )


def _names(place: Path) -> list[str]:
    try:
        return sorted(os.listdir(place))  # noqa: PTH208
    except OSError:
        return []


def _installer(root: str, name: str) -> str:
    try:
        return Path(root, name, "INSTALLER").read_text(encoding="utf-8", errors="replace").strip()
    except OSError:
        return ""


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
