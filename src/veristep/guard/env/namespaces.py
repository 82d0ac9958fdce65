"""ENV019: a namespace package has a part that nobody vouches for.

A folder without ``__init__.py`` is a namespace package (PEP 420): every folder of that name on the module
path adds its modules to it, and of two with one name the first on the path is imported. So a part needs to
hide nothing to be loaded by who looks for what is there: plugins, backends, converters.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from pathlib import Path

from veristep.core.verdicts import Finding, Severity
from veristep.guard import suspects
from veristep.guard.env.reference import Source
from veristep.guard.env.scene import Scene
from veristep.guard.env.start_lines import added
from veristep.guard.rule import Rule

RULE = Rule("ENV019", "A namespace package has a part that nobody published", Severity.WARNING)
_MODULE = (".py", ".so", ".pyc")
_INIT = "__init__.py"


def look(scene: Scene) -> Iterator[Finding]:
    """Yield a finding for each such part: of another folder, or of an unpublished distribution."""
    namespaces = _namespaces(scene)
    if not namespaces:
        return
    yield from _of_distributions(scene, namespaces)
    done = {os.path.realpath(each) for each in scene.layout.site}
    for folder, how in _places(scene):
        real = os.path.realpath(folder)
        if real in done:
            continue
        done.add(real)
        for name, whose in namespaces.items():
            part = f"{folder.rstrip('/')}/{name}"
            modules = _modules(part)
            if modules:
                yield _finding(scene, name, whose, part, modules, how)


def _namespaces(scene: Scene) -> dict[str, str]:
    """Return the namespace packages among the installed ones, and who installs into each."""
    found: dict[str, str] = {}
    regular: set[str] = set()
    if scene.reference is None:
        for root in scene.layout.site:
            for name in _names(root):
                # Byte code and metadata lie in folders that no import statement can name, or nobody's does.
                if not name.endswith("-info") and name != "__pycache__" and _modules(f"{root}/{name}"):
                    found.setdefault(name, f"{root}/{name}")
        return found
    for each in scene.reference.distributions:
        for top in {path.split("/", 1)[0] for path in each.files if "/" in path}:
            if f"{top}/{_INIT}" in each.files:
                regular.add(top)
            elif each.source is Source.REGISTRY and top.isidentifier() and _has_modules(each.files, top):
                found.setdefault(top, each.title)
    return {name: whose for name, whose in found.items() if name not in regular}


def _has_modules(files: Iterable[str], top: str) -> bool:
    return any(path.endswith(_MODULE) for path in files if path.startswith(f"{top}/"))


def _of_distributions(scene: Scene, namespaces: dict[str, str]) -> Iterator[Finding]:
    for each in scene.reference.distributions if scene.reference else ():
        if each.source is Source.REGISTRY:
            continue
        tops = {path.partition("/")[0] for path in each.files if path.endswith(_MODULE) and "/" in path}
        for name in sorted(tops & namespaces.keys()):
            path = next(path for path in sorted(each.files) if path.startswith(f"{name}/"))
            yield RULE.finding(
                f"{each.title}, which no registry vouches for, adds to {name} of {namespaces[name]}",
                suspects=suspects.of_file(Path(each.root, path), how=f"{each.title} lists it"),
                path=f"{each.root}/{path}",
                distribution=each.title,
                expected=f"parts of {name} that were published",
                got=f"{path} and what lies beside it; {each.why}",
                hint="find out who installed it; whoever looks for plugins in the namespace imports it",
            )


def _places(scene: Scene) -> Iterator[tuple[str, str]]:
    if scene.script_folder:
        yield scene.script_folder, "the script's folder"
    value = scene.variables.get("PYTHONPATH", "")
    for each in value.split(os.pathsep) if value else ():
        yield os.path.join(scene.cwd or "/", each or "."), "PYTHONPATH"  # noqa: PTH118
    for path in scene.marked:
        folder = path.rpartition("/")[0]
        if path.endswith(".pth") and folder in scene.layout.site and not scene.is_published(path):
            for line in added(path):
                yield os.path.join(folder, line), path  # noqa: PTH118


def _finding(scene: Scene, name: str, whose: str, part: str, modules: frozenset[str], how: str) -> Finding:
    installed = frozenset().union(*(_modules(f"{root}/{name}") for root in scene.layout.site))
    # What a start file adds is searched last: it cannot stand in front of anything.
    hidden = sorted(modules & installed) if not how.endswith(".pth") else []
    first = f"{part}/{hidden[0] if hidden else min(modules)}"
    beside = how == "the script's folder"
    if hidden:
        summary = f"{first} is imported in place of {name}/{hidden[0]} of {whose}"
        severity = Severity.WARNING if beside else Severity.ERROR
    else:
        summary = f"{part} adds modules to {name} of {whose}, by {how}"
        # A folder of one's own with an ordinary name, such as `tools`, is no accident's sign.
        severity = Severity.INFO if beside else Severity.WARNING
    return RULE.finding(
        summary,
        severity=severity,
        suspects=suspects.of_file(Path(first), how=f"{how} puts it on the module path"),
        path=first,
        expected=f"parts of {name} that were published",
        got=f"{len(modules)} modules, {min(modules)} for example",
        hint="a folder without __init__.py joins every folder of its name; rename it, or move it",
    )


def _modules(folder: str) -> frozenset[str]:
    """Return the modules and packages of a part; none of a folder that is no part of a namespace."""
    names = _names(folder)
    if _INIT in names:
        return frozenset()
    own = {each for each in names if each.endswith(_MODULE)}
    packages = {f"{each}/{_INIT}" for each in names if os.path.exists(f"{folder}/{each}/{_INIT}")}  # noqa: PTH110
    return frozenset(own | packages)


def _names(folder: str) -> list[str]:
    try:
        return sorted(os.listdir(folder))  # noqa: PTH208
    except OSError:
        return []
