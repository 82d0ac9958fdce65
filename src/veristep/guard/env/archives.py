"""ENV016: modules are looked for in an archive, or in a folder that others can write."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import Path

from veristep.core.verdicts import Finding, Severity
from veristep.guard import suspects
from veristep.guard.env.scene import Scene
from veristep.guard.env.start_lines import added
from veristep.guard.rule import Rule

RULE = Rule("ENV016", "Modules come from an archive or an open folder")


def look(scene: Scene) -> Iterator[Finding]:
    """Yield a finding for each such place on the module path, by PYTHONPATH or by a ``.pth`` file."""
    places = {
        each: "PYTHONPATH" for each in scene.variables.get("PYTHONPATH", "").split(os.pathsep) if each
    }
    for path in scene.marked:
        folder = path.rpartition("/")[0]
        if path.endswith(".pth") and folder in scene.layout.site:
            places |= {os.path.join(folder, each): path for each in added(path)}  # noqa: PTH118
    for each, how in places.items():
        place = os.path.join(scene.cwd, each)  # noqa: PTH118
        try:
            status = os.stat(place)  # noqa: PTH116
        except OSError:
            continue
        archive = stat.S_ISREG(status.st_mode)
        open_to_all = bool(status.st_mode & stat.S_IWOTH) and not status.st_mode & stat.S_ISVTX
        if archive or open_to_all:
            what = "an archive" if archive else "a folder that everybody can write"
            yield RULE.finding(
                f"{place}, {what}, is searched for modules, by {how}",
                severity=Severity.WARNING,
                suspects=suspects.of_file(Path(place), how=f"{how} names it"),
                path=place,
                expected="folders of one's own",
                got=what,
                hint="nothing published vouches for what is imported from it",
            )
