"""What looking at an environment costs: python bench/env.py [ENV].

The first look reads every byte, a later one asks for the state of the files only. Beside them, in the same
round, a plain reading and a plain question for the state of the same files: absolute times are this
machine's, ratios are not. The start of a Python process inside a run is paired with a bare one.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median

from veristep.guard.env import layout
from veristep.guard.env.layout import Layout
from veristep.guard.env.reference import Distribution, Reference, Source
from veristep.guard.env.scene import place
from veristep.record.config import RecordConfig
from veristep.supervise import boot
from veristep.supervise.env import distributions, outside
from veristep.supervise.env.outside import Answer, Request

ROUNDS = 3
STARTS = 15


def main() -> None:
    """Measure, and print a table."""
    folder_ = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(sys.prefix)
    found = layout.of_folder(folder_)
    with tempfile.TemporaryDirectory() as folder:
        asked = Request(found, _reference(found), Path(folder, "memory"), b"bench", byte_code=False)
        times: dict[str, list[tuple[float, float]]] = {}
        answer = outside.ask(asked, 600)
        for _ in range(ROUNDS):
            _time(times, "every file read, nothing else", lambda: _read(found))
            Path(folder, "memory").unlink(missing_ok=True)
            _time(times, "first look", lambda: outside.ask(asked, 600))
            _time(times, "state of every file asked for, nothing else", lambda: _states(found))
            _time(times, "later look", lambda: outside.ask(asked, 600))
        _table(times, answer)
    starts = _starts()
    sys.stdout.write(
        f"\nA Python process starts in {starts[0] * 1e3:.0f} ms bare, {starts[1] * 1e3:.0f} ms in a run "
        f"(processor time, median of {STARTS} pairs).\n"
    )


def _reference(found: Layout) -> bytes:
    """Return a reference as large as a real one: what stands there, taken as given."""
    draft = Reference(found.prefix, found.library, found.version, ())
    request = Request(found, draft.to_bytes(), Path(os.devnull), b"", full=True, byte_code=False, lock=True)
    digests = outside.ask(request, 600).digests
    installed = [
        Distribution(
            each.name,
            each.version,
            Source.REGISTRY,
            each.root,
            {p: digests[q] for p in each.record if (q := place(each.root, p)) in digests},
        )
        for each in distributions.of(found)
    ]
    library = found.library + "/"
    site = tuple(f"{each}/" for each in found.site)
    seen = {
        path[len(library) :]: digest
        for path, digest in digests.items()
        if path.startswith(library) and not path.startswith(site)
    }
    whole = Reference(found.prefix, found.library, found.version, tuple(installed), seen)
    return whole.to_bytes()


def _files(found: Layout) -> list[str]:
    files = []
    for each in (*found.site, found.library):
        for folder, folders, names in os.walk(each):
            folders[:] = [one for one in folders if one not in ("__pycache__", "site-packages")]
            files += [f"{folder}/{name}" for name in names]
    return files


def _read(found: Layout) -> None:
    for each in _files(found):
        with open(each, "rb", buffering=0) as file:  # noqa: PTH123
            while file.read(1 << 20):
                pass


def _states(found: Layout) -> None:
    for each in _files(found):
        os.stat(each)  # noqa: PTH116


def _time(times: dict[str, list[tuple[float, float]]], name: str, act: Callable[[], object]) -> None:
    began, used = time.perf_counter(), _used()
    act()
    times.setdefault(name, []).append((time.perf_counter() - began, _used() - used))


def _used() -> float:
    """Return the processor time of this process and the ended ones that it started."""
    found = os.times()
    return found.user + found.system + found.children_user + found.children_system


def _table(times: dict[str, list[tuple[float, float]]], answer: Answer) -> None:
    load = os.getloadavg()[0]
    machine = f"load {load:.0f} on {os.cpu_count()} processors"
    sys.stdout.write(f"{answer.files:,} files; {machine}\n\n")
    sys.stdout.write("| what | s | processor s |\n|---|---|---|\n")
    for name, found in times.items():
        took, used = (median(column) for column in zip(*found, strict=True))
        sys.stdout.write(f"| {name} | {took:.2f} | {used:.2f} |\n")


def _starts() -> tuple[float, float]:
    """Return the processor time a process takes to start, bare and in a run; in turns."""
    folder = boot.make_folder()
    config = RecordConfig(
        run="bench",
        boot=str(folder),
        directory=str(folder),
        objects=str(folder),
        package=boot.package_folder(),
    )
    boot.write(config)
    inside = boot.environment(os.environ, config)
    _start(dict(os.environ)), _start(inside)
    pairs = [(_start(dict(os.environ)), _start(inside)) for _ in range(STARTS)]
    return median(one for one, _ in pairs), median(other for _, other in pairs)


def _start(environment: dict[str, str]) -> float:
    process = subprocess.Popen([sys.executable, "-c", "pass"], env=environment)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    return usage.ru_utime + usage.ru_stime


if __name__ == "__main__":
    main()
