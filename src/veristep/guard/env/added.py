"""ENV003: a file among the installed ones that no distribution brought."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from veristep.core.verdicts import Finding, Severity
from veristep.guard import suspects
from veristep.guard.env.scene import CODE, Scene, place
from veristep.guard.env.survey import CACHE_FOLDER
from veristep.guard.env.wheel import NOT_PUBLISHED
from veristep.guard.rule import Rule

RULE = Rule("ENV003", "A file that no distribution brought")

# Other rules speak of these.
_OTHERS = (".pth", ".start", ".pyc")


def look(scene: Scene) -> Iterator[Finding]:
    """Yield a finding for each file that belongs to nothing: an error for code, a warning otherwise."""
    reference = scene.reference
    if reference is None:
        return
    known = scene.expected
    owned = {place(each.root, path) for each in reference.distributions for path in each.owned}
    infos = {path.rsplit("/", 1)[0] for path in known if path.endswith(".dist-info/METADATA")}
    for path, found in scene.survey.files.items():
        if path in known or path in owned or path in scene.scripts or not scene.in_site(path):
            continue
        folder, _, name = path.rpartition("/")
        if name.endswith(_OTHERS):
            continue
        if folder in infos and name in NOT_PUBLISHED:
            continue
        if f"/{CACHE_FOLDER}/" in path and not name.endswith(CODE):
            continue  # other compilers, such as numba's, keep what they made there as well
        seen = reference.extra.get(path) == found.digest
        code = name.endswith(CODE) or ".so." in name
        severity = Severity.ERROR if code and not seen else Severity.WARNING
        since = "; it was there when the environment was locked" if seen else ""
        yield RULE.finding(
            f"{path} belongs to no distribution{since}",
            severity=severity,
            suspects=suspects.of_file(Path(path), how="no distribution's published files have it"),
            path=path,
            expected="nothing",
            got=f"sha256:{found.digest}",
            hint="find out who put it there; what is installed comes from the registry",
        )
