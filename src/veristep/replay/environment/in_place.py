"""The run's own environment, where it lies: the weaker thing, because what was edited there is there."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

from veristep.replay.room.setting import IN_PLACE, Interpreter
from veristep.replay.room.view import below
from veristep.supervise.env.recorded import RecordedPython


def in_place(python: RecordedPython, root: str, byte_code: Path) -> Interpreter:
    """Return the run's own environment.

    Args:
        python: as recorded.
        root: the folder of the run's code, of which a replay sees the recorded copy only.
        byte_code: folder for byte code, one of each environment below it.
    """
    folders = {python.prefix if python.virtual else python.base, python.base, *python.path}
    readable = sorted(
        each for each in folders if each.startswith("/") and not below(each, root) and _holds_modules(each)
    )
    # Byte code is made of what the interpreter finds by itself; a folder that only this run's module path
    # named has no part in it, and one for each such folder would fill the disk.
    found = [each for each in readable if _found_by_itself(each, python)]
    name = hashlib.sha256("\n".join([python.executable, python.build, *found]).encode()).hexdigest()[:16]
    return Interpreter(
        kind=IN_PLACE,
        readable=tuple(readable),
        recorded=python.prefix,
        prefix=python.prefix,
        byte_code=byte_code / name,
        virtual=python.virtual,
    )


def _found_by_itself(path: str, python: RecordedPython) -> bool:
    return path in python.packages() or below(path, python.prefix) or below(path, python.base)


def _holds_modules(path: str) -> bool:
    return os.path.isdir(path) and path != "/"  # noqa: PTH112
