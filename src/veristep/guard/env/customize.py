"""ENV008: a sitecustomize or usercustomize module, which is imported at every start of Python."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from veristep.core.verdicts import Finding, Severity
from veristep.guard import suspects
from veristep.guard.env.scene import Scene
from veristep.guard.rule import Rule

RULE = Rule("ENV008", "A module that is imported at every start of Python")
_NAMES = ("sitecustomize", "usercustomize")
# Debian ships one that is two lines; the system's package manager vouches for it.
_SYSTEM = ("/usr/lib/python3", "/etc/python3")


def look(scene: Scene) -> Iterator[Finding]:
    """Yield a finding for each that is found on the module path and that nobody published."""
    library = scene.layout.library
    folders = [*_module_path(scene), *scene.layout.site, library]
    done = set()
    for folder in folders:
        for path in _modules(folder):
            real = os.path.realpath(path)
            if real in done or scene.is_published(path) or real.startswith(_SYSTEM):
                continue
            done.add(real)
            name = path[len(library) + 1 :]
            seen = scene.reference is not None and path.startswith(library) and name in scene.reference.seen
            yield RULE.finding(
                f"{path} is imported at every start of Python",
                severity=Severity.WARNING if seen or scene.reference is None else Severity.ERROR,
                suspects=suspects.of_file(Path(path), how="the interpreter imports it before any script"),
                path=path,
                expected="none",
                got=path.rpartition("/")[2],
                hint='read it; if it is the cluster\'s own, say so in a policy: ENV008 = "record"',
            )


def _module_path(scene: Scene) -> list[str]:
    value = scene.variables.get("PYTHONPATH", "")
    # An empty entry is the working directory.
    return [os.path.join(scene.cwd, each) for each in value.split(os.pathsep)] if value else []  # noqa: PTH118


def _modules(folder: str) -> Iterator[str]:
    try:
        names = sorted(os.listdir(folder or "."))  # noqa: PTH208
    except OSError:
        return
    for name in names:
        top, _, suffix = name.partition(".")
        path = f"{folder.rstrip('/')}/{name}"
        if top in _NAMES and suffix and name.endswith((".py", ".pyc", ".so")):
            yield path
        elif name in _NAMES and os.path.exists(f"{path}/__init__.py"):  # noqa: PTH110
            yield f"{path}/__init__.py"
