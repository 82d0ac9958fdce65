"""The gate of this process: a hook on the interpreter's audit events that no load passes unseen.

``pickle.find_class`` is raised by every unpickler (the C one, the Python one, and what is built on them)
before a name is looked up. Names that a profile lists cost one lookup in a set; all others are judged. A
hook cannot be taken out again, is inherited by forked children and covers all threads. The boot file starts
it again in every Python process that begins anew.

Nothing here imports more than it needs: every process of a run pays for it.
"""

from __future__ import annotations

import contextlib
import json
import os
import sys
import time
from _thread import get_ident

from veristep.guard.load.refused import RefusedLoad
from veristep.guard.load.torch_loads import MODULE as TORCH
from veristep.guard.load.torch_loads import TorchLoads
from veristep.guard.load.window import Window

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from types import FrameType
    from typing import Any

    from veristep.guard.load.artifact import Artifact
    from veristep.guard.load.window import Action
    from veristep.scan.source import Source

SETTINGS_FILE = "gate.json"
FIND_CLASS = "pickle.find_class"
# What the gate asks itself: it has to refuse these in the way it refuses anything; the second is judged.
PROBE = ("veristep.probe", "is the gate standing?")
DEEP_PROBE = ("veristep.probe", "is it judging?")
TICK_EVENTS = 4096  # as in gate_native.c
_TRY_SECONDS = 20.0

# Files that are opened to be imported, not loaded.
_CODE = (".py", ".pyc", ".so", ".pth")
_CACHES = ("TORCHINDUCTOR_CACHE_DIR", "TRITON_CACHE_DIR")

_HERE = f"{os.path.dirname(__file__)}{os.sep}"  # noqa: PTH120 - no pathlib in every process of a run

_STARTED: list[str] = []


class Settings:
    """What the gate has been told, from the run's boot directory.

    Attributes:
        boot: the boot directory; the supervisor's socket lies in it.
        directory: the run's directory in the ledger, for what the supervisor does not take.
        root: folder of the code that is on record.
        actions: what is done about the findings of each rule: ``off``, ``record``, ``alert`` or ``block``.
        began_ns: when the run began, nanoseconds since the epoch.
        native: whether the hook in C is to stand where it was built.
    """

    def __init__(self, boot: str, fields: dict[str, Any]) -> None:
        self.boot = boot
        self.directory = str(fields.get("directory", ""))
        self.root = str(fields.get("root", ""))
        self.actions: dict[str, str] = dict(fields.get("actions", {}))
        self.began_ns = int(fields.get("began_ns", 0))
        self.native = bool(fields.get("native", True))


def start(boot: str) -> str:
    """Put the gate in place, once; return what stands: ``native``, ``python``, or nothing wanted.

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
    gate = _Gate(settings)
    if gate.unheard():
        from veristep.record.bootstrap import AfterImport

        sys.meta_path.insert(0, AfterImport({"torch": gate.follow}))
    kind = _add(allowed, gate, native=settings.native)
    _STARTED.append(kind)
    from veristep.guard.load import notice

    notice.standing(settings, kind, stands=stands())
    return kind


def _add(allowed: frozenset[tuple[str, str]], gate: _Gate, *, native: bool) -> str:
    """Add the hook: the one in C where it was built, else the one in Python; return which."""
    if native:
        try:
            from veristep.guard.load import gate_native  # type: ignore[attr-defined,unused-ignore]
        except ImportError:
            pass
        else:
            gate_native.install(allowed, gate.unlisted, gate.actions(), gate.failed, RefusedLoad, gate.tick)
            return "native"
    sys.addaudithook(hook(allowed, gate.unlisted, gate.actions(), gate.failed, gate.tick))
    return "python"


def stands(probe: tuple[str, str] = PROBE) -> bool:
    """Whether the gate refuses what it has to, tried on the way every load goes.

    An earlier hook can have kept ours from being added without a word.
    """
    try:
        sys.audit(FIND_CLASS, *probe)
    except RefusedLoad:
        return True
    return False


def hook(
    allowed: frozenset[tuple[str, str]],
    unlisted: Callable[[tuple[str, str], FrameType], None],
    others: Mapping[str, Action],
    failed: Callable[[Exception], None],
    tick: Callable[[], None],
) -> Callable[[str, tuple[Any, ...]], None]:
    """Return a hook that lets listed names pass and hands all others on.

    Args:
        allowed: pairs of module and name.
        unlisted: judges any other pair; raises to refuse it.
        others: what is done at other events; raises to refuse, like `unlisted`.
        failed: is given any other error, which must not reach whoever raised the event.
        tick: is called every few thousand events.
    """
    actions = dict(others)
    count = 0

    def gate(event: str, args: tuple[Any, ...]) -> None:
        # Some thousand events come with an import and four with a step: this is all they cost.
        nonlocal count
        count += 1
        if not count % TICK_EVENTS:
            with contextlib.suppress(Exception):
                tick()
        if event == "pickle.find_class":
            if args in allowed:
                return
        elif event not in actions:
            return
        # Not `sys._getframe(1)`: where the interpreter itself opens a script there is none, and it raises.
        frame = sys._getframe().f_back
        if frame is None:
            return
        try:
            if event == "pickle.find_class":
                unlisted(args, frame)
            else:
                actions[event](args, frame)
        except RefusedLoad:
            raise
        except Exception as error:  # noqa: BLE001 - boundary: an error of ours must not fail the script's call
            failed(error)

    return gate


class _Gate:
    """What stands behind the hook in this process."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        # Threads that are judging: what judging itself imports and opens is not judged.
        self._busy: set[int] = set()
        # Per thread, the file it opened last: bytes that are unpickled come from there, as a rule.
        self._recent: dict[int, str] = {}
        self._errors: set[str] = set()
        self._next_try = time.monotonic() + _TRY_SECONDS
        self._own = tuple(f"{each}/" for each in (settings.boot, settings.directory) if each)
        self._torch = TorchLoads(self._unsafely)
        self._window = Window(self._acts, settings.root, self._own, self._busy)

    def actions(self) -> dict[str, Action]:
        """Return what is done at other events than the one for names."""
        found: dict[str, Action] = {"open": self._opened, "object.__setattr__": self._rewritten}
        if self._settings.actions.get("LOAD004", "off") != "off":
            found |= self._window.actions()
        if self._settings.actions.get("LOAD011", "off") != "off":
            found["ctypes.dlopen"] = self._library
        return found

    def unheard(self) -> bool:
        """Whether something is wanted of loads that raise no event."""
        return any(self._settings.actions.get(rule, "off") != "off" for rule in ("LOAD010", "LOAD011"))

    def follow(self, torch: Any) -> None:
        """Stand before what this torch loads without an event."""
        from veristep.guard.load import unheard

        unheard.follow(torch, self._script, self._compiled)

    def _script(self, source: Source, find: Callable[[], Artifact], frame: FrameType) -> None:
        """Judge a TorchScript archive; raises to refuse it."""

        def judged() -> None:
            from veristep.guard.load import judging

            judging.script(self._settings, source, find, frame)

        self._safely(judged)

    def _compiled(self, path: str, loader: str, frame: FrameType) -> None:
        """Judge compiled code; raises to refuse it."""

        def judged() -> None:
            from veristep.guard.load import judging

            judging.compiled(self._settings, path, loader, frame)

        self._safely(judged)

    def _library(self, args: tuple[Any, ...], frame: FrameType) -> None:
        """A library is about to be loaded by its path."""
        if self._settings.actions.get("LOAD004", "off") != "off":
            self._window.library(args, frame)
        path = args[0] if args else None
        if type(path) is not str or not path.startswith("/") or self._window.is_installed(path):
            return
        # What compilers leave in a cache is another matter: LOAD006.
        caches = (os.environ.get(each) for each in _CACHES)
        if not any(each and path.startswith(each) for each in caches):
            self._compiled(path, "ctypes.CDLL", frame)

    def _safely(self, judged: Callable[[], None]) -> None:
        """Judge where no hook stands between an error of ours and the script."""
        try:
            self._guarded(judged)
        except RefusedLoad:
            raise
        except Exception as error:  # noqa: BLE001 - boundary
            self.failed(error)

    def unlisted(self, pair: tuple[str, str], frame: FrameType) -> None:
        """Judge a name that no profile lists; raises to refuse it."""
        if pair == PROBE:
            raise RefusedLoad("the gate stands")

        def judged() -> None:
            from veristep.guard.load import judging

            thread = get_ident()
            if judging.unlisted(self._settings, *pair, frame, self._recent.get(thread, "")):
                self._window.passed[thread] = (frame.f_code, frame.f_lasti)

        self._guarded(judged)

    def _acts(self, rule: str, what: str, loader: str, frames: tuple[FrameType, ...]) -> None:
        """Judge what happens because an artifact is being loaded; raises to stop it."""

        def judged() -> None:
            from veristep.guard.load import judging

            recent = self._recent.get(get_ident(), "")
            judging.acts(self._settings, rule, what, loader, frames, recent)

        self._guarded(judged)

    def _unsafely(self, path: str, why: str, frame: FrameType) -> None:
        """Tell of a load that takes everything; raises where a policy refuses that."""

        def judged() -> None:
            from veristep.guard.load import judging

            judging.unsafe(self._settings, path, why, frame)

        self._guarded(judged)

    def _opened(self, args: tuple[Any, ...], frame: FrameType) -> None:
        path, thread = args[0], get_ident()
        if type(path) is not str or path.endswith(_CODE) or thread in self._busy:
            return
        if path.startswith(self._own):
            return
        if frame.f_globals.get("__name__") == TORCH:
            self._torch.opened(path, frame)
        self._window.opened(args, frame)
        self._recent[thread] = path

    def tick(self) -> None:
        """Try now and then whether the gate still stands, and judges; tell when it does not."""
        now = time.monotonic()
        if now < self._next_try or get_ident() in self._busy:
            return
        self._next_try = now + _TRY_SECONDS
        if "veristep.guard.load.judging" in sys.modules and not stands(DEEP_PROBE):
            self._say_disturbed("it does not refuse any more what it has to")

    def _rewritten(self, args: tuple[Any, ...], frame: FrameType) -> None:
        """Somebody sets a special attribute; the gate's own functions are not to be rewritten."""
        thing, name = args[0], args[1]
        code = getattr(thing, "__code__", None) if type(thing) is type(hook) else None
        if code is None or not code.co_filename.startswith(_HERE):
            return
        where = f"{frame.f_code.co_filename}:{frame.f_lineno}"
        self._say_disturbed(f"{where} wants to rewrite {name} of {thing.__qualname__}; refused")
        raise RefusedLoad(f"{where} may not rewrite {name} of the gate's {thing.__qualname__}")

    def _say_disturbed(self, reason: str) -> None:
        from veristep.guard.load import notice

        notice.send(self._settings, {"kind": "disturbed", "reason": reason})

    def failed(self, error: Exception) -> None:
        """Tell, once for each kind of error, that the gate could not do its work."""
        if repr(error) in self._errors:
            return
        self._errors.add(repr(error))
        with contextlib.suppress(Exception):  # boundary
            from veristep.guard.load import notice

            notice.send(self._settings, {"kind": "failed", "reason": repr(error)[:300]})

    def _guarded(self, judged: Callable[[], None]) -> None:
        thread = get_ident()
        if thread in self._busy:
            return
        self._busy.add(thread)
        try:
            judged()
        finally:
            self._busy.discard(thread)
