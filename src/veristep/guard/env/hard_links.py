"""ENV013: an installed file has another name outside the environment, through which it can be changed."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import Path

from veristep.core.verdicts import Finding, Severity
from veristep.guard import suspects
from veristep.guard.env.scene import CODE, Scene
from veristep.guard.rule import Rule

RULE = Rule("ENV013", "Installed files are shared with another place", Severity.INFO)


def look(scene: Scene) -> Iterator[Finding]:
    """Yield one finding for the environment: whose files have more names than it can account for."""
    inodes: dict[tuple[str, str], list[str]] = {}
    for path, found in scene.survey.files.items():
        if found.links > 1 and scene.in_site(path) and path.endswith(CODE):
            device, inode, *_ = found.state.split(" ", 2)
            inodes.setdefault((device, inode), []).append(path)
    shared = sorted(
        path for paths in inodes.values() for path in paths if scene.survey.files[path].links > len(paths)
    )
    if not shared:
        return
    open_ = [path for path in shared if _others(path)]
    first = (open_ or shared)[0]
    more = f", which {_others(first)} can write" if open_ else ""
    count = f"{len(shared)} installed files have another name outside the environment"
    yield RULE.finding(
        f"{count}, {first} for example{more}",
        # An ordinary cache belongs to who made the environment.
        severity=Severity.WARNING if open_ else None,
        suspects=suspects.of_file(Path(first), how="its number of names is higher than those found here"),
        path=first,
        expected="one name for each file",
        got=f"{len(shared)} files with more",
        hint="uv links files from its cache: who can write the cache changes the environment. Their "
        "content was compared all the same; UV_LINK_MODE=copy keeps environments apart",
    )


def _others(path: str) -> str:
    """Return who else can write a file than the owner of the folder it lies in; empty when nobody."""
    try:
        status, folder = os.stat(path), os.stat(os.path.dirname(path))  # noqa: PTH116, PTH120
    except OSError:
        return ""
    if status.st_uid not in (folder.st_uid, 0):
        return suspects.user_name(status.st_uid)
    return "everybody" if status.st_mode & stat.S_IWOTH else ""
