"""Looks at an environment from outside it: the program that the base interpreter runs with ``-I -S``.

Nothing of the environment is executed: no ``.pth`` file, no ``sitecustomize``, no package of it. It reads a
line of JSON (`Request`) and the reference from its standard input, and answers with one line of JSON.
"""

from __future__ import annotations

import gc
import json
import os
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from veristep.core.canonical import Json
from veristep.core.checks import Tally
from veristep.core.verdicts import Finding
from veristep.guard.env import (
    added,
    archives,
    autoload,
    byte_code,
    changed,
    conda,
    conda_list,
    customize,
    debian,
    dpkg,
    edited,
    hard_links,
    injection,
    layout,
    missing,
    namespaces,
    open_folder,
    owned,
    preload,
    script,
    shadowing,
    sourceless,
    start_lines,
    survey,
    twice,
    unchecked,
    unlisted,
    variables,
)
from veristep.guard.env.byte_code import Judged, Outcome
from veristep.guard.env.reference import Reference, Source, from_bytes
from veristep.guard.env.scene import Scene, place

FILES = "files"
DISTRIBUTIONS = "distributions"
LIBRARY = "standard library files"
BYTE_CODE = "byte-code files"
# The weaker references: whoever edits a file can edit these.
BY_CONDA = "files (by conda's own lists)"
BY_DPKG = "files (by dpkg's own lists)"
RULES: tuple[Callable[[Scene], Iterable[Finding]], ...] = (
    edited.look,
    missing.look,
    added.look,
    changed.look,
    script.look,
    start_lines.look,
    customize.look,
    sourceless.look,
    shadowing.look,
    preload.look,
    injection.look,
    variables.look,
    archives.look,
    open_folder.look,
    autoload.look,
    conda.look,
    debian.look,
    hard_links.look,
    namespaces.look,
    twice.look,
    unlisted.look,
)
# The rest of an attack that changes everything is counted.
MOST_FINDINGS = 500


def main() -> None:
    """Answer one request."""
    began = time.monotonic()
    # Hundreds of thousands of small objects, all needed to the end: there is no garbage to look for.
    gc.disable()
    request = json.loads(sys.stdin.buffer.readline())
    data = sys.stdin.buffer.read()
    answer = answer_to(request, from_bytes(data) if data else None)
    answer["seconds"] = time.monotonic() - began
    # Paths can hold bytes that no encoding has; JSON escapes them.
    sys.stdout.write(json.dumps(answer) + "\n")


def answer_to(request: Mapping[str, Any], reference: Reference | None) -> dict[str, Json]:
    """Return what was found, what was checked, and for a lock what stood there."""
    for each in (owned.forget, dpkg.forget, conda_list.forget):
        each()
    values = {str(name): str(value) for name, value in request["variables"].items()}
    found = layout.of_executable(str(request["executable"]), values)
    memory_place, secret = Path(str(request["memory"])), bytes.fromhex(str(request["secret"]))
    memory = survey.recall(memory_place, secret)
    if request["full"] or memory.is_old(time.time_ns()):
        memory = survey.Memory()
    taken = survey.take(
        [*found.site, found.library],
        [*_single(reference), *conda_list.native(found.prefix)],
        memory,
        byte_code=bool(request["byte_code"]),
        skip=[each for each in _other_packages(found) if each not in found.site],
    )
    if taken.read:
        survey.remember(memory_place, taken, secret, memory.full_ns or taken.began_ns)
    scene = Scene(
        found, reference, taken, values, str(request.get("cwd", "")), str(request.get("script_folder", ""))
    )
    judged = list(_byte_code(scene, request))
    findings = _findings(scene, judged)
    shown: list[Json] = [each.to_json() for each in findings[:MOST_FINDINGS]]
    answer: dict[str, Json] = {
        "findings": shown,
        "more": max(0, len(findings) - MOST_FINDINGS),
        "coverage": {name: each.to_json() for name, each in coverage(scene, judged).items()},
        "files": len(taken.files),
        "read": taken.read,
        "unreadable": [*taken.unreadable[:100]],
    }
    if request.get("lock"):
        answer["digests"] = {path: each.digest for path, each in taken.files.items()}
        answer["same"] = [each.path for each in judged if each.outcome is Outcome.SAME]
    return answer


def _findings(scene: Scene, judged: list[Judged]) -> list[Finding]:
    rules = RULES if scene.reference is not None else RULES[5:]
    found = [finding for rule in rules for finding in rule(scene)]
    return [*found, *byte_code.look(judged), *unchecked.look(judged)]


def _single(reference: Reference | None) -> list[str]:
    if reference is None:
        return []
    return [
        place(each.root, path)
        for each in reference.distributions
        for path in [*each.files, *each.scripts]
        if path.startswith("..")
    ]


def _other_packages(found: layout.Layout) -> list[str]:
    return [f"{found.library}/site-packages", f"{found.library}/dist-packages"]


def _byte_code(scene: Scene, request: Mapping[str, Any]) -> Iterator[Judged]:
    if not request["byte_code"]:
        return
    known = scene.reference.byte_code if scene.reference else {}
    open_ = []
    for path in byte_code.cached(scene):
        if known.get(path) == scene.survey.files[path].digest and _is_as_compiled(scene, path):
            yield Judged(path, Outcome.SAME)
        else:
            open_.append(path)
    # What people install and share comes first, if there is no time for all.
    open_.sort(key=lambda path: (not scene.in_site(path), path))
    yield from byte_code.judge_all(open_, float(request["seconds"]), os.cpu_count() or 1)


def _is_as_compiled(scene: Scene, path: str) -> bool:
    """Whether the source beside known byte code is the one it was compiled from."""
    source = byte_code.source_of(path)
    found, expected = scene.survey.files.get(source), scene.expected.get(source)
    if found is None or scene.reference is None:
        return False
    if expected is not None:
        return expected == found.digest
    library = scene.layout.library + "/"
    return scene.reference.seen.get(source.removeprefix(library)) == found.digest


def coverage(scene: Scene, judged: list[Judged]) -> dict[str, Tally]:
    """Return what was compared with what."""
    reference = scene.reference
    by_lists = _by_lists(scene)
    if reference is None:
        why = {"the environment is not locked: veristep env lock": 1}
        return {DISTRIBUTIONS: Tally(1, 0, why), **by_lists}
    files = sum(len(each.files) for each in reference.verified())
    unread = sum(
        scene.survey.files[path].digest == survey.UNREADABLE
        for path, _ in scene.of_registry()
        if path in scene.survey.files
    )
    total = len(reference.distributions)
    reasons = Counter(each.why for each in reference.distributions if each.source is Source.SEEN)
    tallies = {
        DISTRIBUTIONS: Tally(total, total - reasons.total(), dict(reasons)),
        FILES: Tally(files, files - unread, {"they cannot be read": unread} if unread else {}),
        LIBRARY: Tally(len(reference.seen), len(reference.seen)),
        **by_lists,
    }
    cached = len(byte_code.cached(scene))
    if cached:
        left = cached - len(judged)
        tallies[BYTE_CODE] = Tally(cached, len(judged), {"there was no time": left} if left else {})
    return tallies


def _by_lists(scene: Scene) -> dict[str, Tally]:
    """Return how many files were compared with the weaker references, by their name."""
    counts = {BY_CONDA: len(conda.listed(scene)), BY_DPKG: len(debian.files(scene))}
    return {name: Tally(count, count) for name, count in counts.items() if count}
