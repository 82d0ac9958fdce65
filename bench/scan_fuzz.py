"""Mutates the corpus of scanners, and looks for a file that a scan allows and a loader runs.

    python bench/scan_fuzz.py CORPUS [SECONDS] [SEED]

CORPUS is a folder made by ``bench/corpus.py``. Each round takes a sample, mutates it up to three
times by what knows its format (``bench/scan_mutations.py``), and scans the result. It counts, and keeps in
CORPUS/found:

- breach: allowed, and one of the loaders of its kind reaches for something that no profile lists, or starts
  a process, writes or executes. Loaders run in a process of their own that ends at that event, before
  anything is done.
- broken: the process that scans failed, or would have imported, opened or run something.
- slow: more than 5 seconds.

Ends with status 1 when there is any.
"""

from __future__ import annotations

import contextlib
import importlib
import json
import os
import random
import signal
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any

import scan_mutations
from corpus import LOADERS

from veristep.scan.machine import _JUDGED_BY_CALL
from veristep.scan.names import Names, Standing, known
from veristep.scan.scanner import Scanner
from veristep.scan.seen import Outcome, Report

FIRED, SLOW_SECONDS, LOADER_SECONDS = 42, 5.0, 20
_LARGEST = 4 << 20
# Whatever a file was made for, these would be tried on it.
_ALWAYS = ("pickle", "pickles", "torch", "numpy", "joblib", "gzip", "zip", "tar")
_DOES = (
    "os.system", "os.exec", "os.posix_spawn", "os.spawn", "os.fork", "subprocess.", "os.mkdir",
    "os.symlink", "os.rename", "os.link", "ctypes.dlopen", "socket.connect",
)  # fmt: skip


def armed(names: Names, tell: int) -> None:
    """End this process at the first event of a loader that runs or writes something, and tell which."""

    def fired(*what: str) -> None:
        os.write(tell, " ".join(what).encode("utf-8", "backslashreplace")[:500])
        os._exit(FIRED)

    def watch(event: str, arguments: tuple[Any, ...]) -> None:
        if event == "pickle.find_class":
            module, name = str(arguments[0]), str(arguments[1])
            standing = names.standing(module, name)
            named = all(part.isidentifier() for part in f"{module}.{name}".split("."))
            if named and standing is not Standing.ALLOWED and (module, name) not in _JUDGED_BY_CALL:
                fired(event, module, name)
        elif event == "open" and isinstance(arguments[1], str) and set(arguments[1]) & set("wax+"):
            fired(event, str(arguments[0]))
        elif event.startswith(_DOES) and not _own_folder(event, arguments):
            fired(event, repr(arguments))

    sys.addaudithook(watch)


def _own_folder(event: str, arguments: tuple[Any, ...]) -> bool:
    """Whether a loader makes a folder as torch does for itself."""
    name = Path(str(arguments[0])).name if arguments else ""
    return event == "os.mkdir" and name.startswith(("tmp", "torchinductor_"))


def fires(path: Path, loaders: tuple[str, ...], names: Names) -> str:
    """Return which loader reaches for something that it should not, and for what; empty for none."""
    for loader in loaders:
        code = compile(LOADERS[loader], f"<{loader}>", "exec")
        reading, writing = os.pipe()
        pid = os.fork()
        if pid == 0:
            _load(code, path, names, writing)
        os.close(writing)
        said = os.read(reading, 1000).decode()
        os.close(reading)
        _, status = os.waitpid(pid, 0)
        if os.WIFEXITED(status) and os.WEXITSTATUS(status) == FIRED:
            return f"{loader}: {said}"
    return ""


def _load(code: Any, path: Path, names: Names, tell: int) -> None:
    null = os.open(os.devnull, os.O_RDWR)
    for each in (0, 1, 2):
        os.dup2(null, each)
    signal.alarm(LOADER_SECONDS)
    armed(names, tell)
    # What a damaged file raises is no matter, and neither is its asking to end.
    with contextlib.suppress(BaseException):
        exec(code, {"path": str(path), "__name__": "loader"})
    os._exit(0)


def broken(report: Report) -> str:
    """Return how the process that scans ended, when it did as no file should make it."""
    marks = ("the process that looked", "would have imported", "ended with signal", "did not answer")
    return next((each.text for each in report.seen if any(mark in each.text for mark in marks)), "")


def main(corpus: Path, seconds: float, seed: int) -> int:
    """Fuzz for a while."""
    for module in ("gzip", "joblib", "lzma", "numpy", "tarfile", "torch", "yaml", "zipfile"):
        importlib.import_module(module)  # here once, for the loaders

    names = known(())
    index = [each for each in json.loads((corpus / "index.json").read_text()) if each["loader"] in LOADERS]
    samples = [(each["loader"], corpus / each["name"]) for each in index]
    data = {path: path.read_bytes() for _, path in samples if path.stat().st_size < _LARGEST}
    samples = [(loader, path) for loader, path in samples if data.get(path)]
    chance = random.Random(seed)
    kept, counts, until = corpus / "found", Counter[str](), time.monotonic() + seconds
    with Scanner() as scanner, tempfile.TemporaryDirectory() as folder:
        while time.monotonic() < until:
            loader, origin = chance.choice(samples)
            mutated = data[origin]
            for _ in range(chance.choice((1, 1, 2, 3))):
                mutated = scan_mutations.any_of(chance, mutated) or b"N."
            path = Path(folder, origin.name)
            path.write_bytes(mutated)
            begun = time.monotonic()
            report = scanner.scan(path)
            problem = broken(report)
            if time.monotonic() - begun > SLOW_SECONDS:
                problem = f"slow: {time.monotonic() - begun:.1f} s"
            if report.outcome is Outcome.ALLOW:
                fired = fires(path, tuple(dict.fromkeys((loader, *_ALWAYS))), names)
                problem = problem or (f"breach by {fired}" if fired else "")
            counts[report.outcome.value] += 1
            if problem:
                counts["problems"] += 1
                kept.mkdir(exist_ok=True)
                place = kept / f"{seed}-{counts.total()}-{origin.name}"
                place.write_bytes(mutated)
                print(f"{place.name}: {problem}; {report.kind}", flush=True)
    print(f"{sum(counts[each.value] for each in Outcome)} files:", dict(counts))
    return int(bool(counts["problems"]))


if __name__ == "__main__":
    sys.exit(
        main(
            Path(sys.argv[1]).absolute(),
            float(sys.argv[2]) if len(sys.argv) > 2 else 60,
            int(sys.argv[3]) if len(sys.argv) > 3 else 1,
        )
    )
