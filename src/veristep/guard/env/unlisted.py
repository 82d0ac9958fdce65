"""ENV022: an installed distribution has no list of its files."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from veristep.core.verdicts import Finding, Severity
from veristep.guard import suspects
from veristep.guard.env import metadata
from veristep.guard.env.scene import Scene
from veristep.guard.rule import Rule

RULE = Rule("ENV022", "An installed distribution lists no files", Severity.WARNING)


def look(scene: Scene) -> Iterator[Finding]:
    """Yield a finding for each metadata folder without a RECORD, a note where the registry says it all."""
    for each in metadata.of(scene):
        record = each.path.removesuffix("METADATA") + "RECORD"
        if record in scene.survey.files:
            continue
        published = scene.is_published(each.path)
        if published:
            hint = "its files were compared with the registry's"
        else:
            hint = "find out who left it: metadata alone makes a requirement count as met"
        yield RULE.finding(
            f"{each.title} has no RECORD: which files it installed is not known",
            severity=Severity.INFO if published else None,
            suspects=suspects.of_file(Path(each.path), how="there is no RECORD beside it"),
            path=each.path,
            expected="a RECORD, which every installer of wheels writes",
            got="none",
            hint=hint,
        )
