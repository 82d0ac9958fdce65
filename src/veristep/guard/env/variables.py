"""ENV012: a variable that changes what Python loads or runs."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import Path

from veristep.core.verdicts import Finding, Severity
from veristep.guard import suspects
from veristep.guard.env.scene import Scene
from veristep.guard.rule import Rule

RULE = Rule("ENV012", "A variable changes what Python runs")

# What each does, and how much it says by itself.
_MEANING = {
    "PYTHONHOME": ("takes the standard library from another place", Severity.ERROR),
    "PYTHONSTARTUP": ("runs a file before an interactive session", Severity.WARNING),
    "PYTHONINSPECT": ("goes on interactively after the script", Severity.WARNING),
    "PYTHONUSERBASE": ("takes the user's packages from another place", Severity.WARNING),
    "PYTHONPLATLIBDIR": ("takes the standard library from another folder", Severity.ERROR),
    "PYTHONEXECUTABLE": ("makes Python take another program for itself", Severity.WARNING),
    "PYTHONBREAKPOINT": ("calls a function of somebody's choice", Severity.WARNING),
    "PYTHONWARNINGS": ("can import a module named in a filter", Severity.INFO),
    "PYTHONPYCACHEPREFIX": ("takes byte code from a folder that is not this run's own", Severity.WARNING),
    "PYTHONOPTIMIZE": ("leaves out assertions", Severity.INFO),
    "PYTHON_PRESITE": ("imports a module before anything else", Severity.ERROR),
    "PYTHON_GIL": ("changes how threads run", Severity.INFO),
    "BASH_ENV": ("has every bash script run a file first", Severity.ERROR),
    "PYTHONCASEOK": ("imports files whose name differs in case", Severity.WARNING),
}
# Set by Python's own tools, or harmless by value.
_HARMLESS = {
    "PYTHONBREAKPOINT": ("0", ""),
    "PYTHONWARNINGS": ("ignore", "default", "error", "always", "once"),
}


def look(scene: Scene) -> Iterator[Finding]:
    """Yield a finding for each such variable that is set."""
    for name, (does, severity) in _MEANING.items():
        value = scene.variables.get(name, "")
        if not value or value in _HARMLESS.get(name, ()) or (name == "PYTHONWARNINGS" and ":" not in value):
            continue
        place = Path(value)
        private = name == "PYTHONPYCACHEPREFIX" and _is_private(place)
        # Module systems of clusters set BASH_ENV, to a file of the system.
        if private or (name == "BASH_ENV" and _is_the_systems(place)):
            severity = Severity.INFO  # noqa: PLW2901
        pointed = suspects.of_file(place, how=f"{name} names it") if place.is_absolute() else ()
        yield RULE.finding(
            f"{name} is set to {value}: it {does}",
            severity=severity,
            suspects=pointed,
            path=value if place.is_absolute() else "",
            expected=f"{name} not set",
            got=f"{name}={value}",
            hint="look for it in the job script, in ~/.bashrc, and in what a login of this machine sources",
        )


def _is_the_systems(place: Path) -> bool:
    """Whether a file lies where only the system's administrator can change it."""
    try:
        found = [each.stat() for each in (place.resolve(strict=True), *place.resolve().parents)]
    except OSError:
        return False
    usual = str(place.resolve()).startswith(("/usr/", "/opt/", "/etc/"))
    return usual and all(each.st_uid == 0 and not each.st_mode & 0o022 for each in found)


def _is_private(place: Path) -> bool:
    """Whether a folder, or the one it would be made in, can be written by its user alone."""
    for each in (place, *place.parents):
        try:
            status = each.stat()
        except OSError:
            continue
        own = status.st_uid == os.getuid()
        sticky = bool(status.st_mode & stat.S_ISVTX)
        return (own and not status.st_mode & 0o022) or (each != place and sticky)
    return False
