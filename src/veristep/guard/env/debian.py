"""ENV018: a file of the system's Python is not what its package brought.

dpkg keeps the MD5 of each file of a package. MD5 can be collided, and the lists lie on the same disk: this
finds edits that were not hidden, and is no proof.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path

from veristep.core.verdicts import Finding
from veristep.guard import suspects
from veristep.guard.env.scene import Scene
from veristep.guard.rule import Rule

RULE = Rule("ENV018", "A file of the system's Python was changed")
LISTS = "/var/lib/dpkg/info"
_BASE = "/usr"
_BELOW = "usr/lib/python3"


def look(scene: Scene, lists: str = LISTS, root: str = "/") -> Iterator[Finding]:
    """Yield a finding for each file of a package, among those looked at, that is another."""
    if scene.layout.base != _BASE and root == "/":
        return
    for listed in sorted(Path(lists).glob("*.md5sums")):
        for name, digest in _files(listed):
            path = root + name
            if path not in scene.survey.files:
                continue
            got = _md5(path)
            if got in ("", digest):
                continue
            package = listed.stem.partition(":")[0]
            yield RULE.finding(
                f"{path} is not what the package {package} brought",
                suspects=suspects.of_file(Path(path), how=f"{listed} has another digest of it"),
                path=path,
                distribution=package,
                expected=f"md5:{digest}",
                got=f"md5:{got}",
                hint=f"apt-get install --reinstall {package} puts it right; copy the file first",
            )


def _files(listed: Path) -> Iterator[tuple[str, str]]:
    try:
        text = listed.read_text(encoding="utf-8", errors="surrogateescape")
    except OSError:
        return
    for line in text.splitlines():
        digest, _, name = line.partition("  ")
        if name.startswith(_BELOW):
            yield name, digest


def _md5(path: str) -> str:
    try:
        with open(path, "rb") as file:  # noqa: PTH123
            return hashlib.file_digest(file, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()
    except OSError:
        return ""
