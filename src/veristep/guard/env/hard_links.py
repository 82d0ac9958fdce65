"""ENV013: an installed file has another name outside the environment, through which it can be changed."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from veristep.core.verdicts import Finding, Severity
from veristep.guard import suspects
from veristep.guard.env.scene import CODE, Scene
from veristep.guard.rule import Rule

RULE = Rule("ENV013", "Installed files are shared with another place")


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
    first = shared[0]
    yield RULE.finding(
        f"{len(shared)} installed files have another name outside the environment, {first} for example",
        severity=Severity.INFO,
        suspects=suspects.of_file(Path(first), how="its number of names is higher than those found here"),
        path=first,
        expected="one name for each file",
        got=f"{len(shared)} files with more",
        hint="uv links files from its cache: who can write the cache changes the environment. Their "
        "content was compared all the same; UV_LINK_MODE=copy keeps environments apart",
    )
