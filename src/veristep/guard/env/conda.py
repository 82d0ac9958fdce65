"""ENV017: a file is not what conda's own list of its package says.

``conda-meta/NAME.json`` has the SHA-256 of each file in the environment (``sha256_in_prefix``, or
``sha256`` where the prefix was not written into it). The list lies beside the files: who edits one can
edit the other, so this finds carelessness and accidents, and is no proof.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

from veristep.core.verdicts import Finding
from veristep.guard import suspects
from veristep.guard.env.scene import Scene
from veristep.guard.env.survey import CACHE_FOLDER, UNREADABLE
from veristep.guard.rule import Rule

RULE = Rule("ENV017", "A file is not what conda installed")


def look(scene: Scene) -> Iterator[Finding]:
    """Yield a finding for each file of a conda package, among those looked at, that is another."""
    prefix = scene.layout.prefix
    for listed in sorted(Path(prefix, "conda-meta").glob("*.json")):
        for name, digest in _files(listed):
            path = f"{prefix}/{name}"
            found = scene.survey.files.get(path)
            if found is None or found.digest in (digest, UNREADABLE) or CACHE_FOLDER in name:
                continue
            yield RULE.finding(
                f"{path} is not what conda's list of {listed.stem} says",
                suspects=suspects.of_file(Path(path), how=f"{listed} has another digest of it"),
                path=path,
                distribution=listed.stem,
                expected=f"sha256:{digest}",
                got=f"sha256:{found.digest}",
                hint="conda install --force-reinstall puts it right; copy the file first",
            )


def _files(listed: Path) -> Iterator[tuple[str, str]]:
    try:
        paths = json.loads(listed.read_bytes())["paths_data"]["paths"]
        for each in paths:
            digest = each.get("sha256_in_prefix") or each.get("sha256")
            if digest and each.get("path_type") != "softlink":
                yield str(each["_path"]), str(digest)
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return
