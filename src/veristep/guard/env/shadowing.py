"""ENV009: a module on the module path, or beside the script, hides one that is installed."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path

from veristep.core.verdicts import Finding, Severity
from veristep.guard import suspects
from veristep.guard.env import owned
from veristep.guard.env.scene import Scene
from veristep.guard.rule import Rule

RULE = Rule("ENV009", "A module hides an installed one")
_MODULE = (".py", ".pyc", ".so", ".abi3.so")
# Loaded before anything looks at the module path.
_NEVER_FOUND = frozenset(sys.builtin_module_names)


def look(scene: Scene) -> Iterator[Finding]:
    """Yield a finding for each module found before the one of that name that is installed."""
    value = scene.variables.get("PYTHONPATH", "")
    places = [(os.path.join(scene.cwd, each or "."), "PYTHONPATH") for each in _split(value)]  # noqa: PTH118
    if scene.script_folder:
        places.insert(0, (scene.script_folder, "the script's folder"))
    if not places:
        return
    library, packages = frozenset(sys.stdlib_module_names), _packages(scene)
    done = set()
    for folder, how in places:
        real = os.path.realpath(folder)
        if real in done or real in map(os.path.realpath, scene.layout.site) or real == scene.layout.library:
            continue
        done.add(real)
        for name, path in _modules(folder):
            if name in _NEVER_FOUND:
                continue
            whose = packages.get(name, "").partition(" ")[0]
            if name not in library and whose and owned.is_checkout(folder, whose):
                continue
            if name in library or name in packages:
                yield _finding(name, path, how, packages.get(name, "the standard library"))


def _split(value: str) -> list[str]:
    return value.split(os.pathsep) if value else []


def _finding(name: str, path: str, how: str, hidden: str) -> Finding:
    # A folder named like a module of the standard library is common beside a script, and imported only by
    # who means it: `import test`. Other people's packages are not hidden by accident.
    beside = how != "PYTHONPATH"
    return RULE.finding(
        f"{path} is imported in place of {name} of {hidden}",
        severity=Severity.WARNING if beside else Severity.ERROR,
        suspects=suspects.of_file(Path(path), how=f"{how} is searched before what is installed"),
        path=path,
        expected=f"{name} of {hidden}",
        got=path,
        hint="rename it, or take its folder out of PYTHONPATH; a copy that is worked on is installed with "
        "pip install --editable",
    )


def _packages(scene: Scene) -> dict[str, str]:
    """Return the modules that distributions install, by name, and whose they are."""
    found: dict[str, str] = {}
    if scene.reference is None:
        return _on_disk(scene)
    for distribution in scene.reference.distributions:
        for path in distribution.files:
            top, slash, _ = path.partition("/")
            if slash and not top.endswith((".dist-info", ".data")) and top != "..":
                found.setdefault(top, distribution.title)
            elif not slash and top.endswith(".py"):
                found.setdefault(top.removesuffix(".py"), distribution.title)
    return found


def _on_disk(scene: Scene) -> dict[str, str]:
    """Return the modules that stand in the folders of packages, where nothing is on record."""
    found: dict[str, str] = {}
    for folder in scene.layout.site:
        for name, _ in _modules(folder):
            found.setdefault(name, f"{name} in {folder}")
    return found


def _modules(folder: str) -> Iterator[tuple[str, str]]:
    try:
        names = sorted(os.listdir(folder))  # noqa: PTH208
    except OSError:
        return
    for name in names:
        path = f"{folder}/{name}"
        if name.endswith(_MODULE):
            yield name.split(".", 1)[0], path
        elif os.path.exists(f"{path}/__init__.py"):  # noqa: PTH110
            yield name, f"{path}/__init__.py"
