"""ENV001: an installed file is not what the registry published."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from veristep.core.verdicts import Finding
from veristep.guard import suspects
from veristep.guard.env.reference import AFTER_FIRST_LINE
from veristep.guard.env.scene import Scene
from veristep.guard.env.survey import NOT_A_FILE, UNREADABLE
from veristep.guard.rule import Rule

RULE = Rule("ENV001", "An installed file is not what was published")


def look(scene: Scene) -> Iterator[Finding]:
    """Yield a finding for each file that is another."""
    for path, expected in scene.of_registry():
        found = scene.survey.files.get(path)
        if found is None or found.digest in (expected.digest, UNREADABLE):
            continue
        digest = expected.digest
        if digest.startswith(AFTER_FIRST_LINE):
            digest = digest.removeprefix(AFTER_FIRST_LINE)
            if _after_first_line(path) == digest:
                continue
        got = "no file" if found.digest == NOT_A_FILE else f"sha256:{found.digest}"
        owner = expected.owner
        yield RULE.finding(
            f"{path} is not what {owner.title} was published with",
            suspects=suspects.of_file(Path(path), how="its content is not what the registry has"),
            path=path,
            distribution=owner.title,
            wheel=owner.wheel,
            expected=f"sha256:{digest}",
            got=got,
            hint=f"compare with the registry's {owner.wheel}; reinstalling {owner.name} puts it right, "
            "and takes the evidence away: copy the file first",
        )


def _after_first_line(path: str) -> str:
    import hashlib

    try:
        data = Path(path).read_bytes()
    except OSError:
        return ""
    first, _, rest = data.partition(b"\n")
    return hashlib.sha256(rest).hexdigest() if first.startswith(b"#!") else ""
