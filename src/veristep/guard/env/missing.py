"""ENV002: a file that the registry published is not installed any more."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from veristep.core.verdicts import Finding, Severity
from veristep.guard import suspects
from veristep.guard.env.scene import CODE, Scene
from veristep.guard.rule import Rule

RULE = Rule("ENV002", "A file that was published is missing")


def look(scene: Scene) -> Iterator[Finding]:
    """Yield a finding for each file that is gone; for code an error, for anything else a warning."""
    for path, expected in scene.of_registry():
        if path in scene.survey.files:
            continue
        owner = expected.owner
        severity = Severity.ERROR if path.endswith(CODE) and scene.in_site(path) else Severity.WARNING
        yield RULE.finding(
            f"{path} of {owner.title} is missing",
            severity=severity,
            suspects=suspects.of_file(Path(path), how="it was published and is not there"),
            path=path,
            distribution=owner.title,
            wheel=owner.wheel,
            expected=f"sha256:{expected.digest}",
            got="nothing",
            hint="an import that finds nothing here looks elsewhere; reinstall the distribution",
        )
