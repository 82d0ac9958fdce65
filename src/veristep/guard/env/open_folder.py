"""ENV020: others can put modules into a folder that is searched, or put another folder in its place."""

from __future__ import annotations

import grp
import os
import pwd
import stat
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from veristep.core.verdicts import Finding, Severity
from veristep.guard import suspects
from veristep.guard.env.scene import Scene
from veristep.guard.rule import Rule

RULE = Rule("ENV020", "Others can put modules where they are searched")


def look(scene: Scene) -> Iterator[Finding]:
    """Yield a finding for each folder through which others decide what is imported."""
    told = set()
    for entry, how in _entries(scene):
        place = Path(os.path.realpath(entry))
        for each in (place, *place.parents):
            who = _writers(each, itself=each == place)
            if not who:
                continue
            if each not in told and not _is_told_elsewhere(each, place, how):
                told.add(each)
                yield _finding(each, place, how, who)
            break


def _entries(scene: Scene) -> Iterator[tuple[str, str]]:
    value = scene.variables.get("PYTHONPATH", "")
    for each in value.split(os.pathsep) if value else ():
        yield os.path.join(scene.cwd or "/", each), "PYTHONPATH"  # noqa: PTH118
    if scene.script_folder:
        yield scene.script_folder, "the script's folder"
    for each in scene.layout.site:
        yield each, "installed packages"
    yield scene.layout.library, "the standard library"


def _is_told_elsewhere(folder: Path, entry: Path, how: str) -> bool:
    # ENV016 tells of a folder on PYTHONPATH that everybody can write, unless it is sticky.
    mode = _mode(folder)
    return how == "PYTHONPATH" and folder == entry and bool(mode & stat.S_IWOTH) and not mode & stat.S_ISVTX


def _mode(folder: Path) -> int:
    try:
        return folder.stat().st_mode
    except OSError:
        return 0


def _writers(folder: Path, *, itself: bool) -> str:
    """Return who else can add to a folder, or exchange what is in it; empty when nobody.

    In a sticky folder, such as /tmp, others can add files but not exchange one that is there.
    """
    try:
        found = folder.stat()
    except OSError:
        return ""
    if not stat.S_ISDIR(found.st_mode) or (found.st_mode & stat.S_ISVTX and not itself):
        return ""
    if found.st_mode & stat.S_IWOTH:
        return "everybody"
    if found.st_mode & stat.S_IWGRP and found.st_gid != 0:
        return _others_of(found.st_gid, found.st_uid)
    return ""


@cache
def _others_of(gid: int, uid: int) -> str:
    """Return the group if it has members besides the owner; many users have one of their own."""
    try:
        owner = pwd.getpwuid(uid).pw_name
    except KeyError:
        owner = ""
    try:
        group = grp.getgrgid(gid)
    except KeyError:
        return f"group {gid}"
    members = {each for each in group.gr_mem if each not in (owner, "root")}
    return f"group {group.gr_name}" if members else ""


def _finding(folder: Path, entry: Path, how: str, who: str) -> Finding:
    itself = folder == entry
    what = f"{folder} is searched for modules ({how})" if itself else f"{entry} ({how}) lies in {folder}"
    return RULE.finding(
        f"{what}, which {who} can write",
        severity=Severity.ERROR if who == "everybody" else Severity.WARNING,
        suspects=suspects.of_file(folder, how="modules are searched in it, or below it"),
        path=str(folder),
        expected="a folder that its owner alone can write",
        got=f"mode {_mode(folder) & 0o7777:o}, {who}",
        hint=f"chmod go-w {folder}; whoever can write it can have a module of theirs imported",
    )
