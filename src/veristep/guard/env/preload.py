"""ENV011: a library that the dynamic linker loads into every process, or finds before the right one."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from pathlib import Path

from veristep.core.verdicts import Finding, Severity
from veristep.guard import suspects
from veristep.guard.env.scene import Scene
from veristep.guard.rule import Rule

RULE = Rule("ENV011", "A library is put before the installed ones")
PRELOAD_FILE = "/etc/ld.so.preload"
# Allocators that clusters preload to be faster, openly; the file itself is named all the same.
_ALLOCATORS = ("libjemalloc", "libtcmalloc", "libmimalloc", "libiomp5", "libgomp", "libomp")
# Where packages of the system, of CUDA and of module systems lie.
_USUAL = ("/usr/", "/lib/", "/lib64/", "/opt/", "/etc/")


def look(scene: Scene, preload_file: str = PRELOAD_FILE) -> Iterator[Finding]:
    """Yield a finding for each library that is put before the others."""
    for name in ("LD_PRELOAD", "LD_AUDIT"):
        for path in scene.variables.get(name, "").replace(":", " ").split():
            yield _preloaded(path, name, scene.variables)
    for path in _lines(preload_file):
        yield _preloaded(path, preload_file, {})
    for folder in filter(None, scene.variables.get("LD_LIBRARY_PATH", "").split(":")):
        yield from _folder(os.path.join(scene.cwd, folder), scene)  # noqa: PTH118


def _preloaded(path: str, where: str, variables: Mapping[str, str]) -> Finding:
    usual = where == "LD_PRELOAD" and Path(path).name.startswith(_ALLOCATORS) and is_usual(path)
    del variables
    return RULE.finding(
        f"{path} is loaded into every process, by {where}",
        severity=Severity.INFO if usual else Severity.ERROR,
        suspects=suspects.of_file(Path(path), how=f"{where} names it"),
        path=path,
        expected="nothing preloaded",
        got=f"{where} {path}",
        hint="what it defines replaces functions of every library; find out who set it, and for what",
    )


def is_usual(path: str) -> bool:
    """Whether a path is a bare name, or lies where the system's packages do."""
    return "/" not in path or os.path.realpath(path).startswith(_USUAL)


def _folder(folder: str, scene: Scene) -> Iterator[Finding]:
    """Judge a folder of LD_LIBRARY_PATH: it matters if it has a library the environment brings too."""
    try:
        names = os.listdir(folder)  # noqa: PTH208
    except OSError:
        return
    brought = {path.rpartition("/")[2] for path in scene.expected if ".so" in path}
    if any(folder == each or folder.startswith(each + "/") for each in scene.layout.site):
        return
    for name in sorted(brought.intersection(names)):
        path = f"{folder}/{name}"
        yield RULE.finding(
            f"{path} is found before the {name} that is installed, by LD_LIBRARY_PATH",
            severity=Severity.WARNING if is_usual(path) else Severity.ERROR,
            suspects=suspects.of_file(Path(path), how="LD_LIBRARY_PATH names its folder"),
            path=path,
            expected=f"the {name} that a distribution brings",
            got=path,
            hint="unless it is a build that the cluster means you to use, take the folder out",
        )


def _lines(path: str) -> list[str]:
    try:
        text = Path(path).read_text(encoding="utf-8", errors="replace")
    except OSError:
        return []
    lines = (line.partition("#")[0] for line in text.splitlines())
    return " ".join(lines).replace(":", " ").split()
