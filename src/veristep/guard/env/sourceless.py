"""ENV006: byte code without a source, which is imported like a module."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from veristep.core.verdicts import Finding, Severity
from veristep.guard import suspects
from veristep.guard.env.scene import Scene
from veristep.guard.env.survey import CACHE_FOLDER
from veristep.guard.rule import Rule

RULE = Rule("ENV006", "Byte code without a source")


def look(scene: Scene) -> Iterator[Finding]:
    """Yield a finding for each ``.pyc`` outside a cache folder that nobody published."""
    for path in scene.marked:
        found = scene.survey.files[path]
        if not path.endswith(".pyc") or f"/{CACHE_FOLDER}/" in path or scene.is_published(path):
            continue
        yield RULE.finding(
            f"{path} is a module without a source",
            severity=Severity.ERROR if scene.reference else Severity.INFO,
            suspects=suspects.of_file(Path(path), how="it is imported as it is, and nobody published it"),
            path=path,
            expected="nothing, or a .py file",
            got=f"sha256:{found.digest}",
            hint="a private byte-code folder does not stop it; find out who put it there",
        )
