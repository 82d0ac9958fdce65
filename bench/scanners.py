"""Our scanner beside others, on the same files.

    python bench/scanners.py CORPUS VENVS > docs/scanners.md

CORPUS is a folder made by ``bench/corpus.py``. VENVS holds one virtual environment for each other scanner,
under its name (``python -m venv VENVS/picklescan && VENVS/picklescan/bin/pip install picklescan``); what is
missing is said to be. Fickling needs ``typing_extensions``, which it does not declare: without it it ends with
1, like an alarm. Each scanner is run on each file by itself, with its own exit status as its answer. With
``--answered`` nothing is asked that was not asked before.
"""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

SECONDS = 120


class Answer(StrEnum):
    """What a scanner said of a file."""

    ALARM = "alarm"
    UNSURE = "unsure"
    CLEAN = "clean"


@dataclass(frozen=True, slots=True)
class Scanner:
    """One scanner as it is called.

    Attributes:
        name: as in the table.
        venv: the environment it is in; empty for our own.
        words: the command, to which the file is added.
        alarm, clean: exit statuses; any other is unsure.
    """

    name: str
    venv: str
    words: tuple[str, ...]
    alarm: tuple[int, ...] = (1,)
    clean: tuple[int, ...] = (0,)


SCANNERS = (
    Scanner("veristep scan", "", ("veristep", "scan")),
    Scanner("picklescan", "picklescan", ("picklescan", "-p")),
    Scanner("picklescan --strict", "picklescan", ("picklescan", "--strict", "-p")),
    Scanner("modelscan", "modelscan", ("modelscan", "-p")),
    Scanner("fickling", "fickling", ("fickling", "--check-safety", "--json-output", os.devnull)),
    Scanner("modelaudit", "modelaudit", ("modelaudit", "scan")),
)


def command(scanner: Scanner, venvs: Path) -> list[str] | None:
    """Return the command line without the file; None when it is not installed."""
    folder = venvs / scanner.venv / "bin" if scanner.venv else Path(sys.executable).parent
    program = folder / scanner.words[0]
    return [str(program), *scanner.words[1:]] if program.exists() else None


def environment(home: str) -> Mapping[str, str]:
    """Return an environment in which nothing is sent anywhere."""
    return {
        "PATH": os.environ["PATH"], "HOME": home, "NO_COLOR": "1", "LANG": "C.UTF-8",
        "NO_ANALYTICS": "1", "PROMPTFOO_DISABLE_TELEMETRY": "1", "DO_NOT_TRACK": "1",
        "MODELAUDIT_NO_TELEMETRY": "1",
    }  # fmt: skip


def ask(words: list[str], path: Path, home: str) -> tuple[int, float, int]:
    """Return exit status (-1 when it hangs), processor seconds and peak memory in KiB of one call."""
    began = time.perf_counter()
    process = subprocess.Popen(
        [*words, str(path)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env=environment(home),
        cwd=home,
    )
    while True:
        pid, status, usage = os.wait4(process.pid, os.WNOHANG)
        if pid:
            process.returncode = os.waitstatus_to_exitcode(status)
            return process.returncode, usage.ru_utime + usage.ru_stime, usage.ru_maxrss
        if time.perf_counter() - began > SECONDS:
            process.kill()
            process.wait()
            return -1, SECONDS, 0
        time.sleep(0.002)


def answered(scanner: Scanner, status: int) -> Answer:
    """Return what an exit status means."""
    if status in scanner.alarm:
        return Answer.ALARM
    return Answer.CLEAN if status in scanner.clean else Answer.UNSURE


def judged(corpus: Path, venvs: Path, home: str, *, asking: bool = True) -> dict[str, dict[str, Answer]]:
    """Return the answers, by scanner and sample; without asking, those that were given earlier."""
    samples = [each["name"] for each in json.loads((corpus / "index.json").read_text())]
    # In an order that is no order: who is interrupted has asked about both halves.
    samples.sort(key=lambda name: hashlib.sha256(name.encode()).digest())
    found: dict[str, dict[str, Answer]] = {}
    for scanner in SCANNERS:
        words = command(scanner, venvs)
        if words is None:
            continue
        # What an earlier call was told; ours is asked each time, as it is what changes.
        kept = corpus / f"answers {scanner.name}.json"
        said = json.loads(kept.read_text()) if kept.exists() and (scanner.venv or not asking) else {}
        for name in samples if asking else ():
            said[name] = said.get(name) or answered(scanner, ask(words, corpus / name, home)[0])
            kept.write_text(json.dumps(said, indent=1))
        found[scanner.name] = {name: Answer(said[name]) for name in samples if name in said}
        print(scanner.name, file=sys.stderr)
    return found


# Written by a process of their own: a child's peak memory is never less than its parent's when it forked.
LARGE = {
    "torch checkpoint": "import torch; torch.save({n: torch.zeros(1 << 26) for n in 'abcd'}, path)",
    "torch before 1.6": "import torch; torch.save({n: torch.zeros(1 << 26) for n in 'abcd'}, path, "
    "_use_new_zipfile_serialization=False)",
    "pickle of one array": "import pickle; pickle.dump({'w': bytes(1 << 30)}, open(path, 'wb'), protocol=5)",
}


def large(folder: Path) -> Iterator[tuple[str, Path]]:
    """Yield files of 1 GiB, one at a time."""
    for kind, code in LARGE.items():
        path = folder / ("large.pkl" if "pickle" in kind else "large.pt")
        subprocess.run(
            [sys.executable, "-c", f"import sys; path = sys.argv[1]; {code}", str(path)], check=True
        )
        yield kind, path
        path.unlink()


def costs(venvs: Path, home: str) -> dict[str, dict[str, str]]:
    """Return processor seconds and memory, by scanner and kind."""
    found: dict[str, dict[str, str]] = {}
    with tempfile.TemporaryDirectory() as folder:
        for kind, path in large(Path(folder)):
            for scanner in SCANNERS:
                words = command(scanner, venvs)
                if words is not None:
                    runs = [ask(words, path, home) for _ in range(3 if scanner.venv == "" else 1)]
                    status, seconds, memory = min(runs, key=lambda each: each[1])
                    text = f"{seconds:.2f} s, {memory / 1024:.0f} MiB, {answered(scanner, status)}"
                    found.setdefault(scanner.name, {})[kind] = text
    return found


HEAD = """# Scanners side by side

Made with `python bench/corpus.py CORPUS` and `python bench/scanners.py CORPUS VENVS`. The corpus is
generated: {bad} files that run a payload when they are loaded (each was loaded once in a process of its own, and its mark file appeared)
and {good} ordinary files written by their libraries. Every scanner got every file by itself, and its
exit status is its answer. *Unsure* is any other answer than an alarm or a clean bill: an error, a file of no kind it knows,
`unknown`.

The corpus and `veristep scan` have the same authors, so a high mark for it says less than a low mark for
another; the files are there to be looked at. A tool that leaves a kind of file to others is not wrong about it, but
its user sees the same "nothing found".

| scanner | malicious: alarm | unsure | **passed as clean** | benign: alarm | unsure | passed |
|---|---|---|---|---|---|---|
"""


def page(corpus: Path, venvs: Path, *, asking: bool) -> str:
    """Return the page."""
    index = {each["name"]: each["malicious"] for each in json.loads((corpus / "index.json").read_text())}
    with tempfile.TemporaryDirectory() as home:
        answers = judged(corpus, venvs, home, asking=asking)
        kept = corpus / "costs.json"
        times = costs(venvs, home) if asking or not kept.exists() else json.loads(kept.read_text())
        kept.write_text(json.dumps(times))
    bad = sum(index.values())
    parts = [HEAD.format(bad=bad, good=len(index) - bad)]
    for scanner in SCANNERS:
        said = answers.get(scanner.name)
        if not said:
            parts.append(f"| {scanner.name} | could not be installed | | | | | |\n")
            continue
        cells = [
            sum(said[name] is answer for name, is_bad in index.items() if is_bad is wanted and name in said)
            for wanted in (True, False)
            for answer in Answer
        ]
        asked = "" if len(said) == len(index) else f" (asked about {len(said)} of {len(index)} files)"
        parts.append(f"| {scanner.name}{asked} | " + " | ".join(map(str, cells)) + " |\n")
    parts.append("\nVersions: " + ", ".join(_versions(venvs)) + ".\n")
    kinds = list(next(iter(times.values())))
    parts.append(
        f"\n## A clean file of 1 GiB\n\n| scanner | {' | '.join(kinds)} |\n|---{'|---' * len(kinds)}|\n"
    )
    for name, row in times.items():
        parts.append(f"| {name} | {' | '.join(row[kind] for kind in kinds)} |\n")
    parts.append(
        "\nProcessor seconds, as the machine was shared, of one call (ours: the best of three), child processes included; peak memory is that\nof the largest process.\n"
    )
    parts += _ours(answers["veristep scan"], index)
    return "".join(parts)


def _versions(venvs: Path) -> Iterator[str]:
    """Yield the other scanners with their versions."""
    for name in sorted({each.venv for each in SCANNERS if each.venv}):
        code = f"import importlib.metadata as m; print(m.version({name!r}))"
        try:
            done = subprocess.run(
                [venvs / name / "bin" / "python", "-c", code], capture_output=True, check=True
            )
        except (OSError, subprocess.CalledProcessError):
            continue
        yield f"{name} {done.stdout.decode().strip()}"


def _ours(said: Mapping[str, Answer], index: Mapping[str, bool]) -> Iterator[str]:
    """Yield what ours did not get right."""
    wrong = [
        name for name, bad in index.items() if said[name] is not (Answer.ALARM if bad else Answer.CLEAN)
    ]
    yield "\n## What `veristep scan` is not sure of, or wrong about\n\n"
    for name in wrong:
        yield f"- `{name}`: {said[name]}\n"


if __name__ == "__main__":
    folders = [Path(each).absolute() for each in sys.argv[1:3]]
    sys.stdout.write(page(*folders, asking="--answered" not in sys.argv))
