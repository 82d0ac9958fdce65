"""What happens when a load names what no profile lists: judged, told, and let pass or refused.

Imported when that happens for the first time in a process; most never need it.
"""

from __future__ import annotations

import os
from types import FrameType
from typing import Any

import veristep
from veristep.guard.load import artifact, calls, notice, origin, stack
from veristep.guard.load.gate import Settings
from veristep.guard.load.judge import Judgement, Lists, judge
from veristep.guard.load.refused import RefusedLoad

# A load that names a thousand unlisted classes is told of so often, and counted after that.
_MOST_NOTICES = 200
_BLOCK = "block"

_OWN = f"{os.path.dirname(os.path.abspath(veristep.__file__))}/"  # noqa: PTH100, PTH120
_lists: list[Lists] = []
_installed: list[tuple[str, ...]] = []
_told: set[tuple[str, str, str]] = set()
# What this process refused: it stays on record here whatever the script does about the exception.
refused: list[dict[str, Any]] = []


def unlisted(settings: Settings, module: str, name: str, frame: FrameType, recent: str) -> None:
    """Judge a name that is not listed.

    Raises:
        RefusedLoad: it must not be looked up.
    """
    if not _lists:
        _lists.append(Lists())
        _installed.append(stack.installed_prefixes())
    load = stack.look(frame, _installed[0], _OWN)
    named = origin.of(module, name, settings.root, _installed[0], settings.began_ns)
    judgement = judge(load.source, named, _lists[0])
    if not judgement.rule:
        return
    action = settings.actions.get(judgement.rule, "off")
    if action == "off":
        return
    blocked = action == _BLOCK
    key = (judgement.rule, module, name)
    if not blocked and (key in _told or len(_told) >= _MOST_NOTICES):
        return
    _told.add(key)
    found = artifact.find(load.frames, recent)
    body = _describe(module, name, load, judgement, found, blocked=blocked)
    if blocked:
        refused.append(body)
        body["refused_before"] = len(refused) - 1
    notice.send(settings, body)
    if blocked:
        raise RefusedLoad(_message(body))


def _describe(
    module: str,
    name: str,
    load: stack.Load,
    judgement: Judgement,
    found: artifact.Artifact,
    *,
    blocked: bool,
) -> dict[str, Any]:
    return {
        "kind": "name",
        "rule": judgement.rule,
        "refused": blocked,
        "module": module,
        "name": name,
        "why": judgement.why,
        "arguments": calls.arguments(found.data, module, name) if found.data else "",
        "source": load.source.value,
        "loader": load.loader,
        "file": load.file,
        "line": load.line,
        "function": load.function,
        "artifact": found.to_json(),
    }


def _message(body: dict[str, Any]) -> str:
    found = body["artifact"]
    what = found["path"] or found["how"] or "what is loaded"
    given = body["arguments"]
    call = f"{body['module']}.{body['name']}{given}"
    return (
        f"refused to load {what}: it names {call}: {body['why']}\n"
        f"  --> {body['file']}:{body['line']} in {body['function']}\n"
        f"  = the file's digest: {found['digest'] or 'not taken'}\n"
        "  = hint: do not load it; find out who wrote it (the run's record names the file's owner)\n"
        f"  = docs: veristep explain {body['rule']}; a policy that lets it pass: "
        f'[rules] {body["rule"]} = "record" in veristep.toml'
    )
