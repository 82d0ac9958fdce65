"""Notes which code the processes of a run really execute: each module's body, as the interpreter has it.

A file can be what it should be before a run and after it, and something else in between; cached byte code
can be something else all the time. The audit event ``exec`` carries the code object itself. Its digest
goes, with the file it claims to come from, into a file beside the boot file; the supervisor compiles the
sources and compares.
"""

from __future__ import annotations

import json
import os
import sys
import time

from veristep.guard.env.code_digest import of_code

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import FrameType
    from typing import Any

NOTES = "executed"
# Per process.
MAX_NOTES = 50_000
# Who executes modules as they stand in their files; anything else may make other code of them.
_PLAIN = "_frozen_importlib_external.SourceFileLoader"
_EXTERNAL = "<frozen importlib._bootstrap_external>"
_INTERNAL = "<frozen importlib._bootstrap>"
_RUNPY = "<frozen runpy>"

_started: list[str] = []


class Notes:
    """The notes of this process; forked children go on writing to the same file."""

    def __init__(self, place: str) -> None:
        self._place = place
        self._seen: set[tuple[str, str]] = set()
        self._descriptor = -1
        self._by = 0

    def executed(self, code: Any, caller: FrameType | None) -> None:
        """Note the body of a module that is about to be executed."""
        path = code.co_filename
        if not path.endswith(".py") or path.startswith("<") or len(self._seen) > MAX_NOTES:
            return
        digest = of_code(code)
        if (path, digest) in self._seen:
            return
        self._seen.add((path, digest))
        if len(self._seen) > MAX_NOTES:
            return
        self._write([path, digest, time.time_ns(), maker(caller)])

    def _write(self, note: list[object]) -> None:
        if self._descriptor < 0:
            flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC
            self._descriptor = os.open(self._place, flags, 0o600)
            self._by = os.getpid()
            self._line({"by": self._by, **interpreter()})
        self._line([self._by, *note])

    def _line(self, value: object) -> None:
        os.write(self._descriptor, json.dumps(value).encode() + b"\n")


def interpreter() -> dict[str, object]:
    """Return what a source has to be compiled with to become the same code."""
    return {
        "executable": sys.executable,
        "version": sys.version,
        "optimize": sys.flags.optimize,
        "cwd": os.getcwd(),  # noqa: PTH109
    }


def maker(caller: FrameType | None) -> str:
    """Return who makes the code that a frame executes, if not the interpreter from the module's file.

    The file that defines the loader, or that calls ``exec``; the class of a loader that has no file.
    """
    if caller is None:
        return ""
    name = caller.f_code.co_filename
    if name == _RUNPY:
        return ""
    if name not in (_INTERNAL, _EXTERNAL):
        return name
    above = caller.f_back
    direct = above is None or caller.f_code.co_name == "exec_module"
    loader = None if direct or above is None else above.f_locals.get("self")
    kind = type(loader)
    named = f"{kind.__module__}.{kind.__qualname__}"
    if loader is None or named == _PLAIN:
        return ""
    return getattr(sys.modules.get(kind.__module__), "__file__", None) or named


def start(boot: str) -> None:
    """Note from now on, once per process, if the supervisor has laid out a file for it.

    An audit hook cannot be taken out again.
    """
    place = f"{boot}/{NOTES}"
    if _started or not os.path.exists(place):  # noqa: PTH110
        return
    _started.append(boot)
    notes = Notes(place)

    def hook(event: str, args: tuple[Any, ...]) -> None:
        if event != "exec":
            return
        try:
            code = args[0]
            if code.co_name == "<module>":
                notes.executed(code, _caller())
        except Exception:  # noqa: BLE001, S110 - boundary: an error here would fail the script's import
            pass

    sys.addaudithook(hook)


def _caller() -> FrameType | None:
    try:
        return sys._getframe(2)
    except ValueError:
        return None
