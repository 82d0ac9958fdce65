"""ENV017: a file is not what conda's own list of its package says.

The list lies beside the files (`guard.env.conda_list`): who edits one can edit the other, so this finds
carelessness and accidents, and is no proof.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from veristep.core.verdicts import Finding, Severity
from veristep.guard import suspects
from veristep.guard.env import conda_list
from veristep.guard.env.scene import CODE, Scene
from veristep.guard.env.survey import CACHE_FOLDER, NOT_A_FILE, UNREADABLE
from veristep.guard.rule import Rule

RULE = Rule("ENV017", "A file is not what conda installed")


def look(scene: Scene) -> Iterator[Finding]:
    """Yield a finding for each file of a conda package, among those looked at, that is another or gone."""
    for path, (digest, package) in listed(scene).items():
        found = scene.survey.files.get(path)
        if found is None and (scene.in_site(path) or path.startswith(f"{scene.layout.library}/")):
            code = path.endswith(CODE)
            yield _finding(path, package, digest, "nothing", Severity.ERROR if code else Severity.WARNING)
        elif found is not None and found.digest not in (digest, UNREADABLE):
            got = "no file" if found.digest == NOT_A_FILE else f"sha256:{found.digest}"
            yield _finding(path, package, digest, got, Severity.ERROR)


def listed(scene: Scene) -> dict[str, tuple[str, conda_list.Package]]:
    """Return the files that conda's lists have a digest of, among those looked at, by absolute path."""
    prefix = scene.layout.prefix
    looked = (f"{scene.layout.library}/", *(f"{each}/" for each in scene.layout.site))
    return {
        path: (digest, package)
        for package in conda_list.packages(prefix)
        for name, digest in package.files.items()
        if digest and CACHE_FOLDER not in name
        if (path := f"{prefix}/{name}").startswith(looked) or path in scene.survey.files
    }


def _finding(path: str, package: conda_list.Package, digest: str, got: str, severity: Severity) -> Finding:
    return RULE.finding(
        f"{path} is not what conda's list of {package.title} says",
        severity=severity,
        suspects=suspects.of_file(Path(path), how=f"{package.place} has another digest of it"),
        path=path,
        distribution=package.title,
        expected=f"sha256:{digest}",
        got=got,
        hint="conda install --force-reinstall puts it right; copy the file first",
    )
