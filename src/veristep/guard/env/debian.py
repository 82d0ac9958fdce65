"""ENV018: a file of the system's Python is not what its package brought.

dpkg's lists are the weaker reference (`guard.env.dpkg`): this finds edits that were not hidden, and is no
proof.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from pathlib import Path

from veristep.core.verdicts import Finding
from veristep.guard import suspects
from veristep.guard.env import dpkg
from veristep.guard.env.scene import Scene
from veristep.guard.rule import Rule

RULE = Rule("ENV018", "A file of the system's Python was changed")


def look(
    scene: Scene, lists: str = dpkg.LISTS, root: str = "/", status: str = dpkg.STATUS
) -> Iterator[Finding]:
    """Yield a finding for each file of a package, among those looked at, that is another."""
    for path, listed in files(scene, lists, root, status).items():
        got = _md5(path)
        if got in ("", listed.md5):
            continue
        yield RULE.finding(
            f"{path} is not what the package {listed.package} brought",
            suspects=suspects.of_file(Path(path), how="dpkg's lists have another digest of it"),
            path=path,
            distribution=listed.package,
            expected=f"md5:{listed.md5}",
            got=f"md5:{got}",
            hint=f"apt-get install --reinstall {listed.package} puts it right; copy the file first",
        )


def files(
    scene: Scene, lists: str = dpkg.LISTS, root: str = "/", status: str = dpkg.STATUS
) -> dict[str, dpkg.Listed]:
    """Return the files that dpkg's lists can be asked about, by absolute path."""
    if scene.layout.base != dpkg.BASE and root == "/":
        return {}
    return {
        path: listed
        for name, listed in dpkg.listed(lists, status).items()
        if (path := root + name) in scene.survey.files or (name.startswith("etc/") and os.path.exists(path))  # noqa: PTH110
    }


def _md5(path: str) -> str:
    try:
        with open(path, "rb") as file:  # noqa: PTH123
            return hashlib.file_digest(file, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()
    except OSError:
        return ""
