"""Notes, with the code that does it, when a process of the run opens a door, calls out or starts a program.

On the interpreter's audit events (PEP 578); what a native library does raises none, but is seen outside.
"""

from __future__ import annotations

import json
import os
import sys
import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import FrameType
    from typing import Any

EVENTS = frozenset(
    (
        "socket.bind", "socket.connect", "subprocess.Popen", "os.system", "os.posix_spawn", "os.exec",
        "sys.remote_exec", "cpython.remote_debugger_script", "pty.spawn", "os.startfile", "os.kill",
        "os.killpg", "signal.pthread_kill",
    )
)  # fmt: skip
# As `sampler.NOTES`, which is not imported in every process of a run.
NOTES = "waits"
MOST_FRAMES = 12
# Of one kind from one line, and in all: what does it over and over is told often enough.
MOST_EACH, MOST = 3, 2000
_TEXT = 200


class Acts:
    """What the code of this process does; a forked child goes on with it."""

    def __init__(self, boot: str) -> None:
        self._place = f"{boot}/{NOTES}"
        self._counts: dict[tuple[str, str, int], int] = {}
        self._noted = 0

    def hook(self, event: str, args: tuple[Any, ...]) -> None:
        """Take in an audit event; never fails, and refuses nothing."""
        if event not in EVENTS:
            return
        try:
            self._note(event, args, sys._getframe(1))
        except Exception:  # noqa: BLE001 - boundary: an error here would fail the script's call
            return

    def _note(self, event: str, args: tuple[Any, ...], frame: FrameType | None) -> None:
        stack: list[tuple[str, int, str]] = []
        while frame is not None and len(stack) < MOST_FRAMES:
            stack.append((frame.f_code.co_filename, frame.f_lineno or 0, frame.f_code.co_name))
            frame = frame.f_back
        what = _what(event, args)
        if not what or not stack:
            return
        outer = next((each for each in stack if "/lib/python3" not in each[0]), stack[0])
        key = (event, outer[0], outer[1])
        count = self._counts[key] = self._counts.get(key, 0) + 1
        if count > MOST_EACH or self._noted >= MOST:
            return
        self._noted += 1
        line = {"by": os.getpid(), "at": time.time_ns(), "kind": "act", "act": event, "what": what}
        data = json.dumps({**line, "stack": stack}).encode("utf-8", "replace")
        descriptor = os.open(self._place, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            os.write(descriptor, data + b"\n")
        finally:
            os.close(descriptor)


def _what(event: str, args: tuple[Any, ...]) -> str:
    """Return what is done, in words; nothing for what stays within the machine's own files."""
    if event.startswith("socket."):
        address = args[1]
        return f"{address[0]} port {address[1]}" if type(address) is tuple and len(address) > 1 else ""
    if event in ("os.kill", "os.killpg", "signal.pthread_kill"):
        return "" if args[1] == 0 else f"{args[0]} signal {args[1]}"
    if event == "subprocess.Popen":
        words = args[1]
        return (" ".join(map(str, words)) if isinstance(words, (list, tuple)) else str(words))[:_TEXT]
    return " ".join(str(each) for each in args[:2])[:_TEXT] or event


def start(boot: str) -> None:
    """Note from now on; an audit hook cannot be taken out again."""
    sys.addaudithook(Acts(boot).hook)
