"""What torch loads in C++: no audit event is raised, so it is judged before.

TorchScript archives are read, and compiled models opened, by functions of torch's C++ module. They are
replaced there by functions that judge first, when torch is imported; whoever calls them finds these.
"""

from __future__ import annotations

import os
import stat
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from types import FrameType
    from typing import Any

    from veristep.guard.load.artifact import Artifact
    from veristep.scan.source import Source

    # Is given what is about to be read, a function that finds its file, and the frame that asks.
    JudgeScript = Callable[[Source, Callable[[], Artifact], FrameType], None]
    # Is given a path, the function that loads it, and the frame that asks.
    JudgeCompiled = Callable[[str, str, FrameType], None]

_FROM_FILES = ("import_ir_module", "_load_for_lite_interpreter")
_FROM_BYTES = ("import_ir_module_from_buffer", "_load_for_lite_interpreter_from_buffer")
_COMPILED = "AOTIModel"
_READ_IN_C = "torch's reader in C++ is handed its descriptor"


def follow(torch: Any, script: JudgeScript, compiled: JudgeCompiled) -> None:
    """Stand before the functions by which this torch loads what raises no event."""
    native = torch._C
    for names, judging in ((_FROM_FILES, _of_file), (_FROM_BYTES, _of_bytes)):
        for name in names:
            original = getattr(native, name, None)
            if original is None:
                continue
            judged = judging(original, script)
            setattr(native, name, judged)
            if getattr(torch, name, None) is original:
                setattr(torch, name, judged)
    models = getattr(native, "_aoti", None)
    for name, original in list(vars(models).items()) if models is not None else ():
        if name.startswith(_COMPILED) and isinstance(original, type):
            setattr(models, name, _of_class(original, compiled))


def _of_file(original: Any, script: JudgeScript) -> Any:
    def judged(*args: Any, **named: Any) -> Any:
        # The file is the first text; before it stands, in one of them, what is filled.
        at = next((number for number, each in enumerate(args) if type(each) is str), -1)
        descriptor = _opened(args[at]) if at >= 0 else -1
        if descriptor < 0:
            return original(*args, **named)
        try:
            _judge_file(descriptor, script, sys._getframe())
            # The bytes that were judged are those that are read, whatever becomes of the name.
            there = f"/proc/self/fd/{descriptor}"
            return original(*args[:at], there, *args[at + 1 :], **named)
        finally:
            os.close(descriptor)

    return _as(original, judged)


def _opened(path: str) -> int:
    """Return a descriptor of a plain file; -1 where torch is to say what is wrong."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except (OSError, ValueError):
        return -1
    if stat.S_ISREG(os.fstat(descriptor).st_mode):
        return descriptor
    os.close(descriptor)
    return -1


def _judge_file(descriptor: int, script: JudgeScript, frame: FrameType) -> None:
    from veristep.guard.load import artifact
    from veristep.scan.source import Descriptor

    source = Descriptor(descriptor, os.fstat(descriptor).st_size)
    script(source, lambda: artifact.of_descriptor(descriptor, _READ_IN_C), frame)


def _of_bytes(original: Any, script: JudgeScript) -> Any:
    def judged(*args: Any, **named: Any) -> Any:
        data = next((each for each in args if isinstance(each, bytes)), None)
        if data is not None:
            _judge_bytes(data, script, sys._getframe())
        return original(*args, **named)

    return _as(original, judged)


def _judge_bytes(data: bytes, script: JudgeScript, frame: FrameType) -> None:
    from veristep.guard.load import artifact
    from veristep.scan.source import Memory

    outer = tuple(_outward(frame))
    script(Memory(data), lambda: artifact.of_bytes(data, outer), frame)


def _outward(frame: FrameType | None) -> list[FrameType]:
    found: list[FrameType] = []
    while frame is not None and len(found) < 12:
        found.append(frame)
        frame = frame.f_back
    return found


def _of_class(original: type, compiled: JudgeCompiled) -> type:
    def begin(self: Any, *args: Any, **named: Any) -> None:
        path = args[0] if args else next(iter(named.values()), "")
        if isinstance(path, str):
            compiled(path, original.__name__, sys._getframe())
        original.__init__(self, *args, **named)  # type: ignore[misc]

    return type(
        original.__name__,
        (original,),
        {"__init__": begin, "__module__": original.__module__, "__doc__": original.__doc__},
    )


def _as(original: Any, judged: Any) -> Any:
    judged.__name__ = judged.__qualname__ = original.__name__
    judged.__doc__ = original.__doc__
    judged.__module__ = original.__module__
    judged.__wrapped__ = original
    return judged
