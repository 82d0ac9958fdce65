"""ENV021: two distributions of one name are installed."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from veristep.core.verdicts import Finding, Severity
from veristep.guard import suspects
from veristep.guard.env import metadata
from veristep.guard.env.metadata import Metadata
from veristep.guard.env.scene import Scene
from veristep.guard.rule import Rule

RULE = Rule("ENV021", "Two distributions of one name are installed", Severity.WARNING)


def look(scene: Scene) -> Iterator[Finding]:
    """Yield a finding for each name with more than one metadata folder.

    In one folder that is a warning: which of them is asked for versions and entry points is an accident. In
    different folders the first on the path hides the other, as `--user` installs do: a note.
    """
    by_name: dict[str, list[Metadata]] = {}
    for each in metadata.of(scene):
        by_name.setdefault(each.name, []).append(each)
    for name, found in by_name.items():
        if len(found) < 2:
            continue
        together = len({each.root for each in found}) < len(found)
        # The one that is not published is the one to look at; else the one that came last.
        odd = max(found, key=lambda each: (not scene.is_published(each.path), _changed(scene, each.path)))
        titles = ", ".join(each.title for each in found)
        yield RULE.finding(
            f"{name} is installed {len(found)} times: {titles}",
            severity=None if together else Severity.INFO,
            suspects=suspects.of_file(Path(odd.path), how="it is not the only metadata of that name"),
            path=odd.path,
            expected="one distribution of a name",
            got=titles,
            hint="whoever asks for its version or its entry points is told of either; reinstall it, after "
            "copying the folder",
        )


def _changed(scene: Scene, path: str) -> int:
    return int(scene.survey.files[path].state.rpartition(" ")[2] or 0)
