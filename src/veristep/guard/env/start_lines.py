"""ENV007: a file that the interpreter executes, or heeds, at every start of it.

``site`` executes lines of ``.pth`` files that begin with ``import``, and adds the other lines to the module
path; from Python 3.15 on ``.start`` files name functions to call (PEP 829).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from veristep.core.verdicts import Finding, Severity
from veristep.guard import suspects
from veristep.guard.env import environment_makers, owned
from veristep.guard.env.reference import Source
from veristep.guard.env.scene import Scene
from veristep.guard.rule import Rule

RULE = Rule("ENV007", "Code that runs at every start of Python")
_MAX_BYTES = 1 << 20
_SHOWN = 160
# `site` wants the word at the start of the line; an indented one is somebody's attempt.
_IMPORT = re.compile(r"[\ufeff\s]*import[\s(]")


def look(scene: Scene) -> Iterator[Finding]:
    """Yield a finding for each such file that the registry does not vouch for."""
    for path in scene.marked:
        folder = path.rpartition("/")[0]
        if not path.endswith((".pth", ".start")) or folder not in scene.layout.site:
            continue
        if scene.is_published(path) or environment_makers.wrote(path, [*executed(path), *added(path)]):
            continue
        if scene.reference is None:
            yield from _by_record(path)
            continue
        known = scene.known(path)
        found = scene.survey.files[path]
        seen = known is not None and known.owner.source is Source.SEEN and known.digest == found.digest
        if seen and owned.recognised(path, executed(path)) and not added(path):
            continue
        yield from _judge(path, owner=known.owner.title if known and seen else "")


def _by_record(path: str) -> Iterator[Finding]:
    """Judge a file where nothing is on record of what was published: by whose RECORD lists it."""
    owner = owned.owner(path)
    lines, folders = executed(path), added(path)
    if owner is not None and folders and not lines:
        name = owner.title.partition(" ")[0]
        if all(owned.is_checkout(each, name) for each in folders):
            return
    ordinary = owned.recognised(path, lines)
    called_otherwise = owned.looks_ordinary(lines) and not ordinary
    if owner is None or owner.same is False or called_otherwise:
        if not (ordinary and not folders):
            yield from _judge(path, owner="")
        return
    if ordinary:
        return
    # The distribution may be anything: named, no alarm.
    for each in _judge(path, owner=owner.title):
        severity = Severity.INFO if owner.same else Severity.WARNING
        yield replace(each, severity=severity)


def _judge(path: str, *, owner: str) -> Iterator[Finding]:
    lines = executed(path)
    folders = added(path)
    if lines:
        severity = Severity.WARNING if owner else Severity.ERROR
        whose = f"of {owner}, which no registry vouches for, " if owner else ""
        summary = f"{path} {whose}runs code at every start of Python: {lines[0]}"
    elif folders and not owner:
        severity = Severity.WARNING
        summary = f"{path} puts {folders[0]} on the module path at every start of Python"
    else:
        return
    yield RULE.finding(
        summary,
        severity=severity,
        suspects=suspects.of_file(Path(path), how="no published file has this content"),
        path=path,
        expected="nothing" if not owner else f"what {owner} installs",
        got=(lines or folders)[0],
        detail=f"{len(lines)} lines that run, {len(folders)} folders",
        hint="it runs before anything a training script can check; find out who put it there",
    )


def executed(path: str) -> list[str]:
    """Return the lines of a start file that run, shortened, with runs of blanks as one."""
    text = _text(path)
    wanted = text.splitlines()
    if path.endswith(".start"):
        wanted = [each for each in wanted if each.strip() and not each.lstrip().startswith("#")]
    else:
        wanted = [each for each in wanted if _IMPORT.match(each)]
    return [" ".join(each.split())[:_SHOWN] for each in wanted]


def added(path: str) -> list[str]:
    """Return the folders that a ``.pth`` file adds to the module path."""
    if path.endswith(".start"):
        return []
    lines = _text(path).splitlines()
    return [
        each.strip()[:_SHOWN]
        for each in lines
        if each.strip() and not each.startswith("#") and not _IMPORT.match(each)
    ]


def _text(path: str) -> str:
    try:
        with open(path, "rb") as file:  # noqa: PTH123
            return file.read(_MAX_BYTES).decode("utf-8", "replace")
    except OSError:
        return ""
