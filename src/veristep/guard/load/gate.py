"""The gate of this process: a hook on the interpreter's audit events that no load passes unseen.

``pickle.find_class`` is raised by every unpickler (the C one, the Python one, and what is built on them)
before a name is looked up. Names that a profile lists cost one lookup in a set; all others are judged. A
hook cannot be taken out again, is inherited by forked children and covers all threads. The boot file starts
it again in every Python process that begins anew.

Nothing here imports more than it needs: every process of a run pays for it.
"""

from __future__ import annotations

import json
import os
import sys
from _thread import get_ident

from veristep.guard.load.refused import RefusedLoad

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

SETTINGS_FILE = "gate.json"
FIND_CLASS = "pickle.find_class"
# What the gate asks itself: it has to refuse this in the way it refuses anything.
PROBE = ("veristep.probe", "is the gate standing?")

# Files that are opened to be imported, not loaded.
_CODE = (".py", ".pyc", ".so", ".pth")

_STARTED: list[str] = []


class Settings:
    """What the gate has been told, from the run's boot directory.

    Attributes:
        boot: the boot directory; the supervisor's socket lies in it.
        directory: the run's directory in the ledger, for what the supervisor does not take.
        root: folder of the code that is on record.
        actions: what is done about the findings of each rule: ``off``, ``record``, ``alert`` or ``block``.
        began_ns: when the run began, nanoseconds since the epoch.
    """

    def __init__(self, boot: str, fields: dict[str, Any]) -> None:
        self.boot = boot
        self.directory = str(fields.get("directory", ""))
        self.root = str(fields.get("root", ""))
        self.actions: dict[str, str] = dict(fields.get("actions", {}))
        self.began_ns = int(fields.get("began_ns", 0))


def start(boot: str) -> str:
    """Put the gate in place, once; return what stands: ``python``, or nothing where none is wanted.

    What keeps it from standing is told to the supervisor; it never fails.
    """
    if _STARTED:
        return _STARTED[0]
    try:
        with open(f"{boot}/{SETTINGS_FILE}", encoding="utf-8") as file:  # noqa: PTH123
            settings = Settings(boot, json.load(file))
    except FileNotFoundError:
        return ""  # a replay, or a run whose policy wants none
    from veristep.scan import profiles

    allowed = profiles.load(*profiles.ARTIFACT)
    recent: dict[int, str] = {}
    busy: set[int] = set()
    sys.addaudithook(hook(allowed, _judged_by(settings, recent, busy), {"open": _remembers(recent, busy)}))
    _STARTED.append("python")
    from veristep.guard.load import notice

    notice.standing(settings, _STARTED[0], stands=stands())
    return _STARTED[0]


def stands() -> bool:
    """Whether the gate refuses what it has to, tried on the way every load goes.

    An earlier hook can have kept ours from being added without a word.
    """
    try:
        sys.audit(FIND_CLASS, *PROBE)
    except RefusedLoad:
        return True
    return False


def hook(
    allowed: frozenset[tuple[str, str]],
    unlisted: Callable[[str, str], None],
    others: dict[str, Callable[[tuple[Any, ...]], None]] | None = None,
) -> Callable[[str, tuple[Any, ...]], None]:
    """Return a hook that lets listed names pass and hands all others on.

    Args:
        allowed: pairs of module and name.
        unlisted: judges any other pair; raises to refuse it.
        others: what is done at other events.
    """
    actions = dict(others or {})

    def gate(event: str, args: tuple[Any, ...]) -> None:
        # Some thousand events come with an import and four with a step: this is all they cost.
        if event == "pickle.find_class":
            if args not in allowed:
                unlisted(*args)
        elif event in actions:
            actions[event](args)

    return gate


def _remembers(recent: dict[int, str], busy: set[int]) -> Callable[[tuple[Any, ...]], None]:
    """Return what notes, per thread, the file it opened last: bytes that are unpickled come from there."""

    def opened(args: tuple[Any, ...]) -> None:
        path = args[0]
        if type(path) is str and not path.endswith(_CODE) and get_ident() not in busy:
            recent[get_ident()] = path

    return opened


def _judged_by(settings: Settings, recent: dict[int, str], busy: set[int]) -> Callable[[str, str], None]:
    def unlisted(module: str, name: str) -> None:
        if (module, name) == PROBE:
            raise RefusedLoad("the gate stands")
        thread = get_ident()
        if thread in busy:
            return  # what judging itself imports
        busy.add(thread)
        try:
            from veristep.guard.load import judging

            judging.unlisted(settings, module, name, sys._getframe(2), recent.get(thread, ""))
        except RefusedLoad:
            raise
        except Exception as error:  # noqa: BLE001 - boundary: an error of ours must not fail the load
            _failed(settings, error)
        finally:
            busy.discard(thread)

    return unlisted


def _failed(settings: Settings, error: Exception) -> None:
    try:
        from veristep.guard.load import notice

        notice.send(settings, {"kind": "failed", "reason": repr(error)[:300], "pid": os.getpid()})
    except Exception:  # noqa: BLE001 - boundary
        return
