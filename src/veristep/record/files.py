"""Files a training process writes, replaces and deletes.

Written files become artifacts, tied to the step they were written after. A file that was there before
the run and is about to be lost (a checkpoint the script resumed from and overwrites) is preserved first,
so that a replay starts from what the run started from.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import stat
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from blake3 import blake3

from veristep.core.canonical import Json
from veristep.errors import VeristepError
from veristep.ledger.objects import ObjectStore
from veristep.record.reads import FOLDER, MADE, READ, ReadNotes

# Preserving happens before the script's own write, on its thread; above this it would be felt.
PRESERVE_LIMIT_BYTES = 256 << 20
# A file is taken as written when nothing touched it for this long.
SETTLED_NS = 1_000_000_000
ARTIFACT_LIMIT = 10_000
_READ_BYTES = 1 << 20
_IGNORED_ROOTS = ("/dev/", "/proc/", "/sys/", "/run/")
# Beside `open`: os.remove, rename, truncate, mkdir, listdir, scandir; shutil.rmtree.
_FOLLOWED = ("os.re", "os.tr", "os.mk", "os.li", "os.sc", "shutil.rm")
_IGNORED_PARTS = ("/__pycache__/", "/torchinductor_", "/.triton/")


class RefusedWrite(PermissionError):
    """A replay's script wanted to change a file outside its scratch; meant to reach the script."""


class Stream(Protocol):
    """Where the lines go, and the thread that reads files."""

    steps: int

    def line(self, body: dict[str, Json]) -> None:
        """Add a line to the stream."""

    def job(self, job: Callable[[], None]) -> None:
        """Run on the background thread."""


@dataclass(frozen=True, slots=True)
class Written:
    """A file as it was read after it was written."""

    path: str
    size: int
    sha256: str
    blake3: str
    mtime_ns: int


@dataclass(frozen=True, slots=True)
class Lost:
    """A file, or folder, that this process deleted or gave another name, and after how many steps."""

    step: int
    folder: bool = False
    to: str = ""


def read_digests(path: Path) -> Written | None:
    """Read a regular file and return its digests; None when it is gone or changed meanwhile."""
    sha, fast = hashlib.sha256(), blake3()
    try:
        with path.open("rb", buffering=0) as file:
            before = os.fstat(file.fileno())
            if not stat.S_ISREG(before.st_mode):
                return None
            while block := file.read(_READ_BYTES):
                sha.update(block)
                fast.update(block)
            after = os.fstat(file.fileno())
    except OSError:
        return None
    if (before.st_size, before.st_mtime_ns) != (after.st_size, after.st_mtime_ns):
        return None
    return Written(str(path), after.st_size, sha.hexdigest(), fast.hexdigest(), after.st_mtime_ns)


class FileWatch:
    """Follows the files of one training process."""

    def __init__(
        self,
        stream: Callable[[], Stream | None],
        objects: ObjectStore,
        folders: tuple[str, ...],
        ignored: tuple[str, ...],
    ) -> None:
        self._stream = stream
        self._objects = objects
        self._folders = folders
        self._ignored = ignored
        self._started_ns = time.time_ns()
        self._pending: dict[str, int] = {}
        self._own: set[str] = set()
        self._reported: set[str] = set()
        self._lost: dict[str, Lost] = {}
        self._artifacts = 0
        self._early: list[dict[str, Json]] = []

    # -- what is about to happen --------------------------------------------------------------------

    def will_write(self, path: str) -> None:
        """A file is about to be opened for writing, truncated or changed in place."""
        if self._ignore(path):
            return
        if path not in self._own:
            self._own.add(path)  # first: that it is read to be preserved is nothing the run read
            self._preserve(path)
        stream = self._stream()
        self._pending[path] = stream.steps if stream else 0

    def will_lose(self, path: str) -> None:
        """A file is about to be deleted, or replaced by a rename."""
        if not self._ignore(path) and path not in self._own:
            self._own.add(path)
            self._preserve(path)

    def will_remove(self, path: str, *, folder: bool = False) -> None:
        """A file, or a folder with all that is in it, is about to be deleted."""
        known = folder or path in self._reported or path not in self._own
        self.will_lose(path)
        if known and not self._ignore(path) and len(self._lost) < ARTIFACT_LIMIT and os.path.lexists(path):
            self._lost[path] = Lost(self._step(), folder=folder)

    def will_rename(self, source: str, target: str) -> None:
        """A file is about to get another name."""
        self.will_lose(target)
        if Path(source).is_dir():
            for path in [each for each in self._own if each.startswith(f"{source}/")]:
                self.will_rename(path, target + path.removeprefix(source))
        if source in self._own and not self._ignore(target):
            # One that was complete is read once more: under its first name it may be gone by the time.
            self._pending[target] = self._pending.pop(source, self._step())
            self._own.add(target)
        if source in self._reported:
            self._lost[source] = Lost(self._step(), to=target)

    def _step(self) -> int:
        stream = self._stream()
        return stream.steps if stream else 0

    def made(self, path: str) -> bool:
        """Whether this process has written, or is writing, a file."""
        return path in self._own

    # -- what has happened --------------------------------------------------------------------------

    def wrote(self, path: str) -> None:
        """A checkpoint was written completely: read it before the next one overwrites it."""
        stream = self._stream()
        if stream is None or self._ignore(path):
            return
        step = stream.steps
        self._pending.pop(path, None)
        stream.job(lambda: self._report(path, step))

    def settle(self, *, everything: bool = False) -> None:
        """Report the files that nobody writes any more; runs on the background thread."""
        now = time.time_ns()
        for path in list(self._pending):
            try:
                settled = now - Path(path).stat().st_mtime_ns > SETTLED_NS
            except OSError:
                settled = everything
            if settled or everything:
                step = self._pending.pop(path, None)
                if step is not None:
                    self._report(path, step)
        self._report_lost()

    def _report_lost(self) -> None:
        """Tell of files that are gone now, and that it was this process that did it."""
        stream = self._stream()
        for path in list(self._lost):
            lost = self._lost.pop(path, None)
            if stream is None or lost is None or os.path.lexists(path):
                continue
            line: dict[str, Json] = {"type": "removed", "path": path, "step": lost.step}
            line |= {"folder": True} if lost.folder else {}
            line |= {"to": lost.to} if lost.to else {}
            stream.line(line)

    def _report(self, path: str, step: int) -> None:
        written = read_digests(Path(path))
        stream = self._stream()
        if stream is None or written is None or self._artifacts >= ARTIFACT_LIMIT:
            return
        self._artifacts += 1
        self._reported.add(path)
        stream.line(
            {
                "type": "artifact",
                "path": written.path,
                "size": written.size,
                "sha256": written.sha256,
                "blake3": written.blake3,
                "mtime_ns": written.mtime_ns,
                "step": step,
            }
        )

    def _preserve(self, path: str) -> None:
        if not any(path.startswith(folder) for folder in self._folders):
            return
        try:
            status = Path(path).stat()
        except OSError:
            return
        if not stat.S_ISREG(status.st_mode) or status.st_mtime_ns >= self._started_ns:
            return
        name = ""
        if status.st_size <= PRESERVE_LIMIT_BYTES:
            try:
                name = self._objects.put_file(Path(path))
            except VeristepError as error:
                # It is about to be gone for good: that it could not be kept has to be known.
                self._say({"type": "gap", "what": "preserved", "reason": f"{path}: {error}"})
        line: dict[str, Json] = {
            "type": "preserved",
            "path": path,
            "objects": name or [],
            "mode": stat.S_IMODE(status.st_mode),
            "size": status.st_size,
        }
        self._say(line)

    def _say(self, line: dict[str, Json]) -> None:
        stream = self._stream()
        if stream is not None:
            stream.line(line)
        else:
            self._early.append(line)

    def early_lines(self) -> list[dict[str, Json]]:
        """Return, once, the lines from before the process began to train."""
        lines, self._early = self._early, []
        return lines

    def _ignore(self, path: str) -> bool:
        return (
            path.startswith(_IGNORED_ROOTS)
            or path.startswith(self._ignored)
            or path.endswith(".pyc")
            or any(part in path for part in _IGNORED_PARTS)
        )


def audit_hook(watch: FileWatch, notes: ReadNotes) -> Callable[[str, tuple[Any, ...]], None]:
    """Return a hook for the interpreter's audit events that tells what is about to happen."""

    def hook(event: str, args: tuple[Any, ...]) -> None:
        # About four events come with every training step: this line is all they cost.
        if event != "open" and not event.startswith(_FOLLOWED):
            return
        # Boundary: an error here would fail the script's own call.
        with contextlib.suppress(Exception):
            _tell(watch, notes, event, args)

    return hook


def opens_for_writing(mode: Any, flags: Any) -> bool:
    """Whether an ``open`` audit event writes."""
    if isinstance(mode, str):
        return any(letter in mode for letter in "wax+")
    bits = flags if isinstance(flags, int) else 0
    return bool(bits & (os.O_WRONLY | os.O_RDWR | os.O_CREAT))


def path_of(value: Any) -> str:
    """Return an absolute path from an audit event's argument; empty when it is not a path."""
    if isinstance(value, int) or value is None:
        return ""
    path = os.fsdecode(value)
    return os.path.normpath(path if os.path.isabs(path) else os.path.join(os.getcwd(), path))  # noqa: PTH117, PTH118, PTH109


def _tell(watch: FileWatch, notes: ReadNotes, event: str, args: tuple[Any, ...]) -> None:
    if event == "open":
        if opens_for_writing(args[1], args[2]):
            path = path_of(args[0])
            if path:
                watch.will_write(path)
        elif not notes.seen(args[0]):
            path = path_of(args[0])
            if not watch.made(path):
                notes.note(READ, path)
    elif event == "os.rename":
        watch.will_rename(path_of(args[0]), path_of(args[1]))
    elif event in ("os.truncate", "os.remove", "shutil.rmtree"):
        _tell_loss(watch, event, args)
    elif event == "os.mkdir":
        notes.note(MADE, path_of(args[0]))
    elif event in ("os.listdir", "os.scandir") and not notes.seen((event, args[0])):
        notes.note(FOLDER, path_of(args[0]))


def _tell_loss(watch: FileWatch, event: str, args: tuple[Any, ...]) -> None:
    if event == "os.truncate":
        watch.will_lose(path_of(args[0]))
    elif event == "shutil.rmtree":
        watch.will_remove(path_of(args[0]), folder=True)
    elif len(args) < 2 or args[1] == -1:
        # Relative to an open folder, as `shutil.rmtree` deletes, a path says nothing by itself.
        watch.will_remove(path_of(args[0]))


def install(watch: FileWatch, notes: ReadNotes) -> None:
    """Follow this process's files from now on; an audit hook cannot be taken out again."""
    sys.addaudithook(audit_hook(watch, notes))
