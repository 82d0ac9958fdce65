"""What is installed where a process of the run looks for modules: enough to build it again elsewhere."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

from veristep.core.canonical import Json

_RECORDED_FROM = "direct_url.json"


def environment(search_path: Sequence[str], executable: str, build: str) -> dict[str, Json]:
    """Return the body of an ``environment`` line, from folder names and one small file each.

    `installed` holds ``name==version`` of every distribution. `local` holds those that came from no
    registry (their ``direct_url.json`` says so, PEP 610): ``[name, version, how, from]`` with `how` one
    of ``editable``, ``folder``, ``file``, ``repository``.
    """
    installed: set[str] = set()
    local: dict[str, Json] = {}
    for folder in search_path:
        try:
            names = os.listdir(folder)  # noqa: PTH208 - listing names is all that is needed
        except OSError:
            continue
        for name in names:
            if not name.endswith(".dist-info"):
                continue
            project, _, version = name.removesuffix(".dist-info").rpartition("-")
            installed.add(f"{project}=={version}")
            source = source_of(Path(folder) / name / _RECORDED_FROM)
            if source is not None:
                local[project.lower()] = [project, version, *source]
    return {
        "type": "environment",
        "installed": [*sorted(installed, key=str.lower)],
        "local": [local[name] for name in sorted(local)],
        "path": list(search_path),
        "executable": executable,
        "build": build,
    }


def own_build() -> str:
    """Return how this interpreter names its own build."""
    return f"{sys.implementation.name} {' '.join(sys.version.split())}"


def source_of(path: Path) -> tuple[str, str] | None:
    """Return how a distribution came and from where, if it came from no registry (PEP 610)."""
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
        url = _without_login(str(value["url"]))
    except (OSError, ValueError, KeyError, TypeError):
        return None
    if value.get("vcs_info"):
        return "repository", f"{url}@{value['vcs_info'].get('commit_id', '')}"
    if value.get("dir_info") is not None:
        return ("editable" if value["dir_info"].get("editable") else "folder"), url.removeprefix("file://")
    return "file", url


def _without_login(url: str) -> str:
    parts = urlsplit(url)
    return urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2]))
