"""Compiles sources again the way a process of the run did, in a process of its own, at the lowest priority.

What was compiled once is kept in the user's cache folder, by the digest of the source's bytes: compiling
torch takes some seconds.
"""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from veristep.guard.env import code_digest
from veristep.guard.env.ran_otherwise import Outcome

_FILE, _PARTS = "compiled", "compiled-parts"


@dataclass(frozen=True, slots=True)
class Interpreter:
    """An interpreter that ran modules.

    Attributes:
        executable: its path.
        version: how it names its build.
        optimize: its level of optimisation.
        cwd: where it was started.
    """

    executable: str
    version: str
    optimize: int
    cwd: str


@dataclass(frozen=True, slots=True)
class Compiled:
    """What a source compiles to, or why that cannot be said."""

    digest: str = ""
    why: Outcome = Outcome.NO_CODE


class Compiler:
    """Compiles for one interpreter; used by one thread."""

    def __init__(self, interpreter: Interpreter, cache: Path) -> None:
        self._interpreter = interpreter
        tag = sha256(interpreter.version.encode()).hexdigest()[:16]
        self._place = cache / f"{_FILE}-{tag}-{interpreter.optimize}.jsonl"
        self._known = _load(self._place)
        self._parts_place = cache / f"{_PARTS}-{tag}-{interpreter.optimize}.jsonl"
        self._parts: dict[str, frozenset[str]] | None = None
        self._process: subprocess.Popen[str] | None = None

    def compiled(self, place: Path, name: str) -> Compiled:
        """Return what a source, as it is now, compiles to.

        Args:
            place: the file.
            name: its name as the interpreter had it.
        """
        try:
            source = place.read_bytes()
        except OSError:
            return Compiled(why=Outcome.GONE)
        key = f"{sha256(source).hexdigest()} {name}"
        if key not in self._known:
            answer = self._ask(place, name)
            if answer is None:
                return Compiled(why=Outcome.NO_COMPILER)
            read, digest = answer[0], str(answer[1])
            key = f"{read} {name}"
            self._known[key] = digest
            if digest:
                self._remember(key, digest)
        digest = self._known[key]
        return Compiled(digest) if digest else Compiled(why=Outcome.NO_CODE)

    def parts(self, place: Path, name: str) -> frozenset[str] | None:
        """Return the digests of all code that a source defines; None where there is no source or answer.

        Args:
            place: the file.
            name: its name as the interpreter had it: part of the code, or of a frozen module.
        """
        source = b""
        if not name.startswith("<frozen "):
            try:
                source = place.read_bytes()
            except OSError:
                return None
        key = f"{sha256(source).hexdigest()} {name}"
        if self._parts is None:
            self._parts = _load_parts(self._parts_place)
        if key not in self._parts:
            answer = self._ask(place, name, "parts")
            if answer is None or not isinstance(answer[1], list) or not answer[1]:
                return None
            read, digests = answer
            key = f"{read or sha256(b'').hexdigest()} {name}"
            self._parts[key] = frozenset(digests)
            _append(self._parts_place, [key, digests])
        return self._parts[key]

    def close(self) -> None:
        """End the process that compiles."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            for stream in (self._process.stdin, self._process.stdout):
                if stream is not None:
                    stream.close()
            self._process = None

    def _ask(self, place: Path, name: str, *what: str) -> tuple[str, str | list[str]] | None:
        """Return the digests of source and code, or codes; that of code empty if it does not compile.

        None when there is no answer.
        """
        try:
            process = self._process or self._start()
            assert process.stdin is not None
            assert process.stdout is not None
            process.stdin.write(json.dumps([str(place), name, self._interpreter.optimize, *what]) + "\n")
            process.stdin.flush()
            read, digest = json.loads(process.stdout.readline())
        except (OSError, ValueError, subprocess.SubprocessError):
            return None
        return str(read), digest

    def _start(self) -> subprocess.Popen[str]:
        # The supervisor's own interpreter where it is the same build: the other's path is its own word.
        same = self._interpreter.version == sys.version
        executable = sys.executable if same else self._interpreter.executable
        self._process = subprocess.Popen(
            [executable, "-I", "-S", str(Path(code_digest.__file__))],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            encoding="utf-8",
            env=_plain(os.environ),
            start_new_session=True,
        )
        with contextlib.suppress(OSError):
            os.setpriority(os.PRIO_PROCESS, self._process.pid, 19)
        return self._process

    def _remember(self, key: str, digest: str) -> None:
        _append(self._place, [key, digest])


def _append(place: Path, value: object) -> None:
    with contextlib.suppress(OSError):
        place.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        with place.open("a", encoding="utf-8") as file:
            file.write(json.dumps(value) + "\n")


def _load_parts(place: Path) -> dict[str, frozenset[str]]:
    known: dict[str, frozenset[str]] = {}
    with contextlib.suppress(OSError), place.open(encoding="utf-8", errors="replace") as file:
        for line in file:
            with contextlib.suppress(ValueError, TypeError):
                key, digests = json.loads(line)
                known[str(key)] = frozenset(digests)
    return known


def _plain(environment: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in environment.items() if name in ("PATH", "LANG", "LC_ALL")}


def _load(place: Path) -> dict[str, str]:
    known: dict[str, str] = {}
    with contextlib.suppress(OSError), place.open(encoding="utf-8", errors="replace") as file:
        for line in file:
            with contextlib.suppress(ValueError):
                key, digest = json.loads(line)
                known[str(key)] = str(digest)
    return known
