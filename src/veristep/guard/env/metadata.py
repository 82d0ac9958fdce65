"""The metadata folders among installed packages (``NAME-VERSION.dist-info``), by what they say they are."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

from veristep.guard.env import dpkg
from veristep.guard.env.scene import Scene

_FILE = ".dist-info/METADATA"
_SEPARATORS = re.compile(r"[-_.]+")


class Metadata(NamedTuple):
    """A metadata folder.

    Attributes:
        name: of the distribution, as registries compare it.
        title: name and version as the folder says.
        root: the folder with packages that it lies in.
        path: of its METADATA.
    """

    name: str
    title: str
    root: str
    path: str


def of(scene: Scene) -> Iterator[Metadata]:
    """Yield the metadata folders, less those of the system's packages, which have other lists."""
    for path in scene.marked:
        if not path.endswith(_FILE):
            continue
        root, _, folder = path.removesuffix("/METADATA").rpartition("/")
        if root in scene.layout.site and root != dpkg.PACKAGES:
            project, _, version = folder.removesuffix(".dist-info").rpartition("-")
            name = _SEPARATORS.sub("-", project).lower()
            yield Metadata(name, f"{project} {version}", root, path)
