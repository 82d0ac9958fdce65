"""What happens when a load names what no profile lists: judged, told, and let pass or refused.

Imported when that happens for the first time in a process; most never need it.
"""

from __future__ import annotations

import enum
import os
import sys
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from types import FrameType
from typing import Any

import veristep
from veristep.guard.load import artifact, calls, notice, origin, stack
from veristep.guard.load.gate import DEEP_PROBE, Settings
from veristep.guard.load.judge import Lists, judge
from veristep.guard.load.refused import RefusedLoad
from veristep.guard.load.window import installed_prefixes, is_configured, is_remote
from veristep.scan.formats import torchscript
from veristep.scan.looking import Item, Looking
from veristep.scan.names import Names
from veristep.scan.seen import Outcome
from veristep.scan.source import Source

# A load that names a thousand unlisted classes is told of so often, and counted after that.
_MOST_NOTICES = 200
# The first of them are told with the file's digest and the call; that would hold up the load for the rest.
_MOST_LOOKED_INTO = 20
_LONGEST_HOW = 300
_MOST_SAID = 5
_BLOCK = "block"
# What a run's files need of its own code is told for the project's profile; that alone refuses nothing.
LEARNED = "LOAD008"
OWN = origin.Origin.OWN
_GETATTR = (("builtins", "getattr"), ("__builtin__", "getattr"))

_OWN = f"{os.path.dirname(os.path.abspath(veristep.__file__))}/"  # noqa: PTH100, PTH120
_lists: list[Lists] = []
_installed: list[tuple[str, ...]] = []
_told: set[tuple[str, str, str]] = set()
# What this process refused: it stays on record here whatever the script does about the exception.
refused: list[dict[str, Any]] = []


def unlisted(settings: Settings, module: str, name: str, frame: FrameType, recent: str) -> bool:
    """Judge a name that is not listed; return whether an artifact names it.

    Raises:
        RefusedLoad: it must not be looked up.
    """
    _begin()
    if (module, name) == DEEP_PROBE:
        _probed()
        return False
    load = stack.look(frame, _installed[0], _OWN)
    named = origin.of(module, name, settings.root, _installed[0], settings.began_ns)
    if load.source is stack.Source.COMPILE_CACHE:
        named = replace(named, exposed=origin.exposed_cache())
    judgement = judge(load.source, named, _lists[0])
    by_artifact = load.source is stack.Source.ARTIFACT
    kind = "name" if judgement.rule else "needs"
    if not judgement.rule and not (by_artifact and named.origin is OWN):
        return by_artifact
    if (module, name) in _GETATTR and load.source is not stack.Source.COLLECTIVE:
        # How some versions of Python keep the members of an enumeration.
        found, _ = _evidence(
            partial(artifact.find, load.frames, recent), recent, lambda _found: {}, look=True
        )
        if found.certain and calls.reaches_members(found.data, _is_enumeration):
            return by_artifact

    def describe(found: artifact.Artifact) -> dict[str, Any]:
        given = calls.arguments(found.data, module, name) if found.data and judgement.rule else ""
        said = {"kind": kind, "module": module, "name": name, "why": judgement.why, "arguments": given}
        return said | ({"slight": True} if judgement.slight else {})

    _tell(settings, judgement.rule or LEARNED, (module, name), load, recent, describe)
    return by_artifact


def _is_enumeration(module: str, name: str) -> bool:
    """Whether a pair is an enumeration: one of a profile, or one that is imported already."""
    if (module, name) in _lists[0].enumerations:
        return True
    thing = getattr(sys.modules.get(module), "__dict__", {}).get(name)
    return isinstance(thing, type) and issubclass(thing, enum.Enum)


def _probed() -> None:
    """Answer the gate's own trial: refuse, if what runs code is still taken for that."""
    known = origin.Named("posix", "system", origin.Origin.STANDARD)
    if judge(stack.Source.ARTIFACT, known, _lists[0]).rule:
        raise RefusedLoad("the gate judges")


def acts(
    settings: Settings, rule: str, what: str, loader: str, frames: tuple[FrameType, ...], recent: str
) -> None:
    """Judge what is about to happen because an artifact is being loaded.

    Raises:
        RefusedLoad: it must not happen.
    """
    _begin()
    if not _is_a_load(frames):
        return
    seen = stack.look(_asked_by(frames), _installed[0], _OWN)
    load = replace(seen, loader=loader)
    code = frames[-1].f_code
    find = partial(artifact.of_code, code.co_filename) if is_remote(code) else None
    _tell(settings, rule, (what, loader), load, recent, partial(_act, what), find=find)


def _act(what: str, _found: artifact.Artifact) -> dict[str, Any]:
    return {"kind": "act", "act": what}


def script(
    settings: Settings, source: Source, find: Callable[[], artifact.Artifact], frame: FrameType
) -> None:
    """Judge the code of a TorchScript archive that is about to be read.

    Raises:
        RefusedLoad: it reaches out of the model.
    """
    _begin()
    scan = Looking(Names(frozenset(), frozenset(), frozenset()), lambda _scan, _item: "")
    torchscript.archive(scan, Item(source))
    denied = [each for each in scan.notes.seen if each.outcome is Outcome.DENY]
    if not denied:
        return
    load = replace(stack.look(frame, _installed[0], _OWN), loader="torch.jit.load")
    said = "; ".join(f"{each.place}, {each.detail}" for each in denied[:_MOST_SAID])

    def describe(_found: artifact.Artifact) -> dict[str, Any]:
        return {"kind": "act", "act": denied[0].text, "why": said, "inside": True}

    _tell(settings, "LOAD010", (denied[0].text, said), load, "", describe, find=find)


def compiled(settings: Settings, path: str, loader: str, frame: FrameType) -> None:
    """Judge compiled code that is about to be loaded into this process.

    Raises:
        RefusedLoad: others can write it.
    """
    _begin()
    why = origin.exposed_file(path)
    if not why:
        return
    load = replace(stack.look(frame, _installed[0], _OWN), loader=loader)

    def describe(_found: artifact.Artifact) -> dict[str, Any]:
        return {"kind": "act", "act": f"run compiled code of {path}", "why": why}

    _tell(settings, "LOAD011", (path, why), load, path, describe, find=partial(artifact.of_code, path))


def _asked_by(frames: tuple[FrameType, ...]) -> FrameType:
    """Return the frame outward of which stands whoever asked: code that came with a model did not."""
    if not is_remote(frames[-1].f_code):
        return frames[0]
    frame: FrameType | None = frames[-1]
    while frame is not None and is_remote(frame.f_code):
        frame = frame.f_back
    return frame or frames[-1]


def _is_a_load(frames: tuple[FrameType, ...]) -> bool:
    """Whether what these frames do, innermost first, is done by a file that the last of them loads."""
    loader = frames[-1]
    if is_configured(loader):
        # It builds what a configuration names, a whole training perhaps. That is meant only where nothing
        # but the standard library stands between, or where what is named is there to run what it is given.
        bare = all(
            str(each.f_globals.get("__name__")).partition(".")[0] in sys.stdlib_module_names
            for each in frames[:-1]
        )
        return bare or _runs_what_it_is_given(loader.f_locals.get("_target_"))
    # Processes of a run hand each other messages; some libraries have dill read them.
    return stack.look(loader, _installed[0], _OWN).source is not stack.Source.WORKERS


def _runs_what_it_is_given(target: object) -> bool:
    module, name = getattr(target, "__module__", None), getattr(target, "__qualname__", None)
    return isinstance(module, str) and isinstance(name, str) and _lists[0].executes(module, name)


def _begin() -> None:
    if not _lists:
        _lists.append(Lists())
        _installed.append(installed_prefixes())


def unsafe(settings: Settings, path: str, why: str, frame: FrameType) -> None:
    """Tell of a load by torch that takes everything.

    Raises:
        RefusedLoad: a policy refuses that.
    """
    _begin()
    load = stack.look(frame, _installed[0], _OWN)

    def describe(_found: artifact.Artifact) -> dict[str, Any]:
        return {"kind": "act", "act": "take everything in a file", "why": why}

    _tell(settings, "LOAD005", (path, why), load, path, describe)


def _tell(
    settings: Settings,
    rule: str,
    about: tuple[str, str],
    load: stack.Load,
    recent: str,
    describe: Callable[[artifact.Artifact], dict[str, Any]],
    find: Callable[[], artifact.Artifact] | None = None,
) -> None:
    """Tell the supervisor of something, and refuse it where the policy says so.

    Args:
        settings: what is done about which rule.
        rule: it falls under.
        about: what is told once.
        load: that is going on.
        recent: path of the file this thread opened last.
        describe: returns what is told beside the load.
        find: returns the file, where it is known; by default it is looked for.
    """
    action = settings.actions.get(rule, "off")
    if action == "off":
        return
    blocked = action == _BLOCK and rule != LEARNED
    key = (rule, *about)
    if not blocked and (key in _told or len(_told) >= _MOST_NOTICES):
        return
    _told.add(key)
    noted = rule == LEARNED or len(_told) > _MOST_LOOKED_INTO
    find = find or partial(artifact.find, load.frames, recent)
    found, described = _evidence(find, recent, describe, look=not noted or blocked)
    body: dict[str, Any] = {
        **described,
        "rule": rule,
        "refused": blocked,
        "refused_before": len(refused),
        "source": load.source.value,
        "loader": load.loader,
        "file": load.file,
        "line": load.line,
        "function": load.function,
        "artifact": found.to_json(),
    }
    if blocked:
        refused.append(body)
    notice.send(settings, body)
    if blocked:
        raise RefusedLoad(_message(body))


def _evidence(
    find: Callable[[], artifact.Artifact],
    recent: str,
    describe: Callable[[artifact.Artifact], dict[str, Any]],
    *,
    look: bool,
) -> tuple[artifact.Artifact, dict[str, Any]]:
    """Return what is loaded and what is told of it; what fails in looking must not undo a refusal."""
    found = artifact.quickly(recent)
    if look:
        try:
            found = find()
            return found, describe(found)
        except Exception as error:  # noqa: BLE001 - boundary
            found = replace(found, how=f"{found.how or 'not found out'} ({error!r})"[:_LONGEST_HOW])
    return found, describe(replace(found, data=b""))


def _message(body: dict[str, Any]) -> str:
    found = body["artifact"]
    loaded = found["path"] or found["how"] or "what is loaded"
    if body.get("inside"):
        said = f"refused to load {loaded}: {body['act']} ({body['why']})"
    elif body["kind"] == "act":
        said = f"refused to {body['act']}: loading {loaded} does not need it"
    else:
        call = f"{body['module']}.{body['name']}{body['arguments']}"
        said = f"refused to load {loaded}: it names {call}: {body['why']}"
    return (
        f"{said}\n"
        f"  --> {body['file']}:{body['line']} in {body['function']}\n"
        f"  = the file's digest: {found['digest'] or 'not taken'}\n"
        "  = hint: do not load it; find out who wrote it (the run's record names the file's owner)\n"
        f"  = docs: veristep explain {body['rule']}; a policy that refuses nothing: "
        '[rules] LOAD = "record" in veristep.toml'
    )
