"""What else is told of a changed file: how it differs from the published one."""

from __future__ import annotations

import os
import tempfile
import zipfile
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path

from veristep.core.canonical import Json
from veristep.core.verdicts import Finding
from veristep.errors import VeristepError
from veristep.guard.env.layout import Layout
from veristep.guard.env.reference import Distribution, Reference
from veristep.guard.env.scene import place
from veristep.supervise.env.difference import between
from veristep.supervise.env.lock import Lock, Pin
from veristep.supervise.env.registry import Pip

# Files whose published text is fetched at once.
MOST_DISTRIBUTIONS = 5
_SOURCE = (".py", ".pyi", ".json", ".txt", ".pth", ".toml", ".yaml", ".cfg")
_MAX_BYTES = 4 << 20


def with_differences(layout: Layout, reference: Reference, findings: Iterable[Finding]) -> list[Finding]:
    """Show, in each finding about a source that was changed, how it differs from the published one."""
    found = list(findings)
    owners = {place(each.root, path): each for each in reference.verified() for path in each.files}
    wanted: dict[str, Distribution] = {}
    for each in found:
        path = str(each.evidence.get("path", ""))
        if each.rule == "ENV001" and path.endswith(_SOURCE) and path in owners:
            wanted[owners[path].name] = owners[path]
    some = list(wanted.values())[:MOST_DISTRIBUTIONS]
    if not some:
        return found
    try:
        with tempfile.TemporaryDirectory(prefix="veristep-compare-") as folder:
            pins = tuple(Pin(each.name, each.version, each.sha256) for each in some)
            files = Pip(layout.interpreter, Path(folder)).download(Lock(layout.version, pins), Path(folder))
            wheels = {path.name: path for path in files}
            return [_compared(each, owners, wheels) for each in found]
    except (VeristepError, OSError) as error:
        why = f"the published file could not be fetched to compare with: {error}"
        return [_with(each, detail=why) if each.rule == "ENV001" else each for each in found]


def _compared(finding: Finding, owners: Mapping[str, Distribution], wheels: Mapping[str, Path]) -> Finding:
    path = str(finding.evidence.get("path", ""))
    owner = owners.get(path)
    if finding.rule != "ENV001" or owner is None or owner.wheel not in wheels or not path.endswith(_SOURCE):
        return finding
    name = os.path.relpath(path, owner.root)
    try:
        with zipfile.ZipFile(wheels[owner.wheel]) as archive:
            published = archive.read(name).decode("utf-8", "replace")
        with open(path, "rb") as file:  # noqa: PTH123
            installed = file.read(_MAX_BYTES).decode("utf-8", "replace")
    except (OSError, KeyError, zipfile.BadZipFile):
        return finding
    differs = between(published, installed)
    lines: list[Json] = [*differs.lines]
    made = _with(finding, line=differs.line, diff=lines)
    where = ", ".join(differs.where[:5])
    return _with(made, detail=f"changed in {where}") if where else made


def _with(finding: Finding, **evidence: Json) -> Finding:
    return replace(finding, evidence={**finding.evidence, **evidence})
