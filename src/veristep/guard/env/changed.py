"""ENV015: a file is not what it was when the environment was locked, and no registry says who is right."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from veristep.core.verdicts import Finding, Severity
from veristep.guard import suspects
from veristep.guard.env.reference import Source
from veristep.guard.env.scene import Scene
from veristep.guard.env.survey import CACHE_FOLDER, UNREADABLE
from veristep.guard.rule import Rule

RULE = Rule("ENV015", "A file without a published original was changed")
_HINT = "no registry has it, so what stood there at the lock is all there is to compare with; "


def look(scene: Scene) -> Iterator[Finding]:
    """Yield findings for the standard library, and for distributions that came from no registry."""
    reference = scene.reference
    if reference is None:
        return
    for path, expected in scene.different:
        if expected.owner.source is Source.SEEN:
            yield from _compare(scene, path, expected.digest, expected.owner.title, Severity.WARNING)
    library = scene.layout.library
    for name, digest in reference.seen.items():
        yield from _compare(
            scene, f"{library}/{name}", digest, f"Python {reference.python}", Severity.ERROR
        )
    for path, found in scene.survey.files.items():
        inside = path.startswith(library + "/") and not scene.in_site(path)
        if inside and f"/{CACHE_FOLDER}/" not in path and path[len(library) + 1 :] not in reference.seen:
            yield _finding(path, f"Python {reference.python}", "nothing", found.digest, Severity.ERROR)


def _compare(scene: Scene, path: str, digest: str, title: str, severity: Severity) -> Iterator[Finding]:
    found = scene.survey.files.get(path)
    got = found.digest if found else "nothing"
    if got not in (digest, UNREADABLE):
        yield _finding(path, title, digest, got, severity)


def _finding(path: str, title: str, expected: str, got: str, severity: Severity) -> Finding:
    return RULE.finding(
        f"{path} of {title} is not what it was when the environment was locked",
        severity=severity,
        suspects=suspects.of_file(Path(path), how="its content is not what it was"),
        path=path,
        distribution=title,
        expected=expected,
        got=got,
        hint=_HINT + "if the change was meant, lock again: veristep env lock",
    )
