"""ENV004: cached byte code that would run in place of its source is not made of it.

The header of a byte-code file holds size and time of the source, both of which whoever writes the file can
look up; nothing in it says what source it was made of (PEP 552, PEP 3147). So the source is compiled again,
and the code compared.
"""

from __future__ import annotations

import marshal
import os
import sys
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from importlib.util import MAGIC_NUMBER, source_hash
from pathlib import Path

from veristep.core.verdicts import Finding
from veristep.guard import suspects
from veristep.guard.env.code_digest import of_code, of_source
from veristep.guard.env.scene import Scene
from veristep.guard.env.survey import CACHE_FOLDER
from veristep.guard.rule import Rule

RULE = Rule("ENV004", "Byte code is not made of its source")

_HEADER_BYTES = 16
_TAG = sys.implementation.cache_tag
_HASHED, _CHECKED = 0b01, 0b10


class Outcome(StrEnum):
    """What became of looking at a byte-code file."""

    SAME = "made of its source"
    OTHER = "not made of its source"
    UNCHECKED = "would run whatever its source says"
    STALE = "would not be used: it was made of another state of the source"
    FOREIGN = "for another interpreter"
    BROKEN = "cannot be read"


@dataclass(frozen=True, slots=True)
class Judged:
    """A byte-code file and what became of it."""

    path: str
    outcome: Outcome


def source_of(path: str) -> str:
    """Return the source a file in ``__pycache__`` is cached for; empty for another interpreter's."""
    folder, _, name = path.rpartition("/")
    parts = name.split(".")
    if len(parts) < 3 or parts[-1] != "pyc":
        return ""
    if parts[-2].startswith("opt-"):
        parts.pop(-2)
    stem = ".".join(parts[:-2])
    return f"{folder.rpartition('/')[0]}/{stem}.py" if parts[-2] == _TAG else ""


def judge(path: str) -> Judged:
    """Compare one byte-code file with what its source compiles to."""
    source = source_of(path)
    if not source:
        return Judged(path, Outcome.FOREIGN)
    try:
        data, text, status = Path(path).read_bytes(), Path(source).read_bytes(), os.stat(source)  # noqa: PTH116
    except OSError:
        return Judged(path, Outcome.BROKEN)
    return Judged(path, _judge(path, data, text, (int(status.st_mtime), status.st_size)))


def _judge(path: str, data: bytes, text: bytes, state: tuple[int, int]) -> Outcome:
    if data[:4] != MAGIC_NUMBER or len(data) <= _HEADER_BYTES:
        return Outcome.FOREIGN
    flags = int.from_bytes(data[4:8], "little")
    if flags & _HASHED:
        if not flags & _CHECKED:
            return Outcome.UNCHECKED
        if data[8:16] != source_hash(text):
            return Outcome.STALE
    elif (
        int.from_bytes(data[8:12], "little") != state[0] & 0xFFFFFFFF
        or int.from_bytes(data[12:16], "little") != state[1] & 0xFFFFFFFF
    ):
        return Outcome.STALE
    level = {".opt-1.pyc": 1, ".opt-2.pyc": 2}.get(path[path.rfind(".opt-") :], 0)
    try:
        code = marshal.loads(data[_HEADER_BYTES:])  # noqa: S302 - unmarshalling makes objects, it runs nothing
        # The name a file had when it was compiled is part of the code, and changes nothing it does.
        same = of_code(code) == of_source(text, code.co_filename, level)
    except Exception:  # noqa: BLE001 - a file of any content may stand there
        return Outcome.BROKEN
    return Outcome.SAME if same else Outcome.OTHER


def judge_all(paths: Iterable[str], seconds: float, workers: int) -> Iterator[Judged]:
    """Judge files in their order until there is no time left; the others are left out."""
    from concurrent.futures import ProcessPoolExecutor

    deadline = time.monotonic() + seconds
    some = list(paths)
    if len(some) < 200:
        for each in some:
            if time.monotonic() < deadline:
                yield judge(each)
        return
    chunks = [some[at : at + 100] for at in range(0, len(some), 100)]
    with ProcessPoolExecutor(workers) as pool:
        for start in range(0, len(chunks), workers):
            if time.monotonic() > deadline:
                return
            for found in pool.map(_judge_some, chunks[start : start + workers]):
                yield from found


def _judge_some(paths: list[str]) -> list[Judged]:
    return [judge(each) for each in paths]


def cached(scene: Scene) -> list[str]:
    """Return the byte-code files below the folders that were looked through."""
    return [path for path in scene.marked if f"/{CACHE_FOLDER}/" in path and path.endswith(".pyc")]


def look(judged: Iterable[Judged]) -> Iterator[Finding]:
    """Yield a finding for each file that holds other code, or that nobody can say of what it holds."""
    for each in judged:
        if each.outcome not in (Outcome.OTHER, Outcome.BROKEN):
            continue
        broken = each.outcome is Outcome.BROKEN
        what = "cannot be compared with its source" if broken else "is not what its source compiles to"
        yield RULE.finding(
            f"{each.path} {what}",
            suspects=suspects.of_file(Path(each.path), how="the code in it is not the source's"),
            path=each.path,
            expected=f"what {source_of(each.path)} compiles to",
            got="other code, under a header that fits the source" if not broken else "no readable code",
            hint="it would run in place of the source; `veristep run` uses byte code of its own, so that "
            "runs started by it are not affected. Keep a copy, then delete it",
        )
