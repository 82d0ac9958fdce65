"""Scans files from outside: hands each to a process of its own, and says of every one how it ended."""

from __future__ import annotations

import errno
import json
import os
import signal
import socket
import stat
import subprocess
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import veristep
from veristep.errors import UnavailableError
from veristep.scan import confine, unpackers
from veristep.scan.seen import Outcome, Report, Seen, Sort, from_json

_ROOT = str(Path(veristep.__file__).parent.parent)
# Only the package itself is found there, and only until it is imported.
_BOOT = (
    "import sys; sys.path.append(sys.argv[1]); from veristep.scan.child import serve; sys.path.pop(); "
    "serve(int(sys.argv[2]))"
)
_PATIENCE_SECONDS = confine.WALL_SECONDS + 30
_MOST_REPORT = 16 << 20


class Scanner:
    """A process that looks at files, and the line to it. Use it as a context."""

    def __init__(self, allowed: Iterable[tuple[str, str]] = ()) -> None:
        self._allowed = json.dumps(sorted(allowed)).encode()
        self._process: subprocess.Popen[bytes] | None = None
        self._line: socket.socket | None = None

    def __enter__(self) -> Self:
        self._start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        del kind, error, trace
        self._stop()

    def scan(self, path: Path) -> Report:
        """Return what loading a file would do. Nothing the file holds raises.

        Raises:
            UnavailableError: the process that looks cannot be started.
        """
        try:
            descriptor, before = opened(path)
        except OSError as error:
            return _unscanned(path, _why(error))
        try:
            if not stat.S_ISREG(before.st_mode):
                return _unscanned(path, f"it is {_sort(before.st_mode)}, not a file")
            report = self._ask(path, descriptor, before.st_size)
            after = os.fstat(descriptor)
        finally:
            os.close(descriptor)
        if _times(after) != _times(before):
            seen = Seen(Sort.UNSCANNED, Outcome.UNKNOWN, "it changed while it was scanned")
            return Report(
                path_text(path), report.kind, (*report.seen, seen), report.size, report.read, report.parts
            )
        return report

    def _ask(self, path: Path, descriptor: int, size: int) -> Report:
        """Have a file looked at; once more where a package of this environment can unpack what is in it."""
        report, needs = self._look(path, descriptor, size, ())
        offers = [(kind, *found) for kind in needs if (found := unpackers.offered(kind))]
        return self._look(path, descriptor, size, offers)[0] if offers else report

    def _look(
        self, path: Path, descriptor: int, size: int, load: Sequence[tuple[str, str, str]]
    ) -> tuple[Report, list[str]]:
        reading, writing = os.pipe()
        try:
            assert self._line is not None
            request = json.dumps({"name": path.name, "load": load}).encode("utf-8", "backslashreplace")
            socket.send_fds(self._line, [request], [descriptor, writing])
            os.close(writing)
            writing = -1
            answer = _read(reading)
            status = int(json.loads(self._line.recv(64) or b"-1"))
            return _report(path, answer, status, size)
        except OSError as error:
            self._stop()
            self._start()
            return _unscanned(path, f"the process that looks did not answer: {error}", size), []
        finally:
            os.close(reading)
            if writing >= 0:
                os.close(writing)

    def _start(self) -> None:
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        number = theirs.fileno()
        command = [sys.executable, "-I", "-S", "-B", "-c", _BOOT, _ROOT, str(number)]
        try:
            self._process = subprocess.Popen(
                command,
                pass_fds=(number,),
                stdin=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                cwd="/",
                env={},
            )
        except OSError as error:
            ours.close()
            raise UnavailableError(f"the process that looks at files cannot be started: {error}") from error
        finally:
            theirs.close()
        ours.settimeout(_PATIENCE_SECONDS)
        ours.send(self._allowed)
        self._line = ours

    def _stop(self) -> None:
        if self._line is not None:
            self._line.close()
        if self._process is not None:
            try:
                self._process.wait(1)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()


def opened(path: Path) -> tuple[int, os.stat_result]:
    """Open what is to be scanned, without waiting for anybody at the other end of a pipe.

    Raises:
        OSError: it cannot be opened.
    """
    before = path.stat()
    if not stat.S_ISREG(before.st_mode):
        # Opening a device can do something; what kind it is is known already.
        return os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC), before
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOCTTY)
    return descriptor, os.fstat(descriptor)


def path_text(path: Path) -> str:
    """Return a path as text; bytes that are no text show as such."""
    return os.fsencode(path).decode("utf-8", "backslashreplace")


def _read(descriptor: int) -> bytes:
    parts, total = [], 0
    while part := os.read(descriptor, 1 << 16):
        parts.append(part)
        total += len(part)
        if total > _MOST_REPORT:
            break
    return b"".join(parts)


def _report(path: Path, answer: bytes, status: int, size: int) -> tuple[Report, list[str]]:
    ended = os.waitstatus_to_exitcode(status) if status >= 0 else 1
    if ended == 0:
        try:
            found = json.loads(answer)
            return from_json(path_text(path), found), [str(each) for each in found["needs"]]
        except (ValueError, KeyError, TypeError, AttributeError):
            why = "the process that looked gave no report that makes sense"
            return _unscanned(path, why, size), []
    return _unscanned(path, _ending(ended), size, Sort.LIMIT if ended < 0 else Sort.UNSCANNED), []


def _ending(ended: int) -> str:
    if ended == confine.REFUSED_STATUS:
        return "scanning it would have imported, opened or run something, so the process was ended"
    if ended == -signal.SIGXCPU or ended == -signal.SIGALRM or ended == -signal.SIGKILL:
        return f"looking at it takes more than {confine.CPU_SECONDS} seconds, or more memory than there is"
    if ended < 0:
        return f"looking at it ended with signal {-ended}: the file is damaged, or made to do that"
    return "the process that looked at it failed"


def _unscanned(path: Path, why: str, size: int = 0, sort: Sort = Sort.UNSCANNED) -> Report:
    return Report(path_text(path), "not scanned", (Seen(sort, Outcome.UNKNOWN, why),), size)


def _why(error: OSError) -> str:
    if error.errno == errno.ELOOP:
        return "its symbolic links lead in a circle"
    if error.errno == errno.ENOENT:
        return "it is not there, or a symbolic link to what is not"
    return f"it cannot be opened: {error.strerror}"


def _sort(mode: int) -> str:
    sorts: Any = (
        (stat.S_ISDIR, "a folder"), (stat.S_ISFIFO, "a named pipe"), (stat.S_ISSOCK, "a socket"),
        (stat.S_ISCHR, "a device"), (stat.S_ISBLK, "a device"),
    )  # fmt: skip
    return next((words for test, words in sorts if test(mode)), "something else")


def _times(status: os.stat_result) -> tuple[int, ...]:
    return status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns
