"""ENV014: a console script is not the wrapper an installer writes."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from veristep.core.verdicts import Finding
from veristep.guard import suspects
from veristep.guard.env.console_script import is_as_generated
from veristep.guard.env.scene import Scene
from veristep.guard.rule import Rule

RULE = Rule("ENV014", "A console script does something else")
_MAX_BYTES = 64 << 10


def look(scene: Scene) -> Iterator[Finding]:
    """Yield a finding for each script that does more, or other things, than call its entry point."""
    for path, (entry, owner) in scene.scripts.items():
        if path not in scene.survey.files:
            continue
        try:
            with open(path, "rb") as file:  # noqa: PTH123
                text = file.read(_MAX_BYTES)
        except OSError:
            continue
        if path in scene.expected or is_as_generated(text, entry):
            continue
        yield RULE.finding(
            f"{path} is not the script that calls {entry} of {owner.title}",
            suspects=suspects.of_file(Path(path), how="no installer writes such a script for it"),
            path=path,
            distribution=owner.title,
            expected=f"a script that ends with what {entry} returns",
            got=f"{len(text)} bytes that do something else",
            hint="read it; reinstalling the distribution writes it again",
        )
