"""The run's environment built again from the registry, kept by the digest of its lock.

Nothing of the run's own installation is used: files come from the registry, each checked against the digest
the registry names, through no cache. What was built is kept, and its content stands in the ledger; before
each use every byte of it is compared with that. Distributions that came from no registry cannot be had this
way: they are carried over from the installation, and the verdict names them.
"""

from __future__ import annotations

import csv
import fcntl
import hashlib
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from veristep.core.canonical import Json
from veristep.errors import MalformedError, TamperedError, UnavailableError
from veristep.ledger.entries import Draft
from veristep.ledger.log import Ledger
from veristep.replay.environment import byte_code, tree
from veristep.replay.room.setting import Interpreter
from veristep.replay.room.view import below
from veristep.replay.sandbox.choose import Sandbox
from veristep.supervise.env import lock
from veristep.supervise.env.lock import Lock
from veristep.supervise.env.recorded import Local, RecordedPython
from veristep.supervise.env.registry import Pip, interpreter_for

BUILT = "environment.built"
ENVIRONMENT, CARRIED, BYTE_CODE = "env", "carried", "bytecode"
MAX_NAMED = 3


@dataclass(frozen=True, slots=True)
class _Wanted:
    """What is to be built.

    Attributes:
        asked: the pins, without digests.
        local: what no registry has.
        added: folders the environment added to the module search, that belong to these.
        base: the interpreter it is made with.
        differences: what is not as recorded, in words.
    """

    asked: Lock
    local: tuple[Local, ...]
    added: tuple[str, ...]
    base: str
    differences: tuple[str, ...]

    @property
    def request(self) -> str:
        """The digest by which a build of the same things is known before its lock is."""
        text = self.asked.text() + "\n".join([self.base, *map(repr, self.local), *self.added])
        return "sha256:" + hashlib.sha256(text.encode()).hexdigest()


def folder() -> Path:
    """Return where built environments are kept."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return cache / "veristep" / "environments"


def rebuilt(
    ledger: Ledger, python: RecordedPython, root: str, sandbox: Sandbox, tell: Callable[[str], None]
) -> Interpreter:
    """Return the run's environment built from the registry, from the cache if it is what was built.

    Args:
        ledger: keeps what was built.
        python: the environment, as recorded.
        root: the folder of the run's code.
        sandbox: where the environment's own code runs, to compile it.
        tell: is told what takes time.

    Raises:
        UnavailableError: it cannot be built, in words.
    """
    try:
        wanted = _wanted(python, root)
        with _alone():
            found, changed = _kept(ledger, wanted, tell)
            place, body = found or _build(ledger, wanted, python, sandbox, tell)
    except MalformedError as error:
        raise UnavailableError(error.message, hint="--in-place needs no registry") from error
    except OSError as error:
        raise UnavailableError(f"the environment cannot be built: {error}") from error
    return _interpreter(wanted, python, place, body, root, changed)


def _wanted(python: RecordedPython, root: str) -> _Wanted:
    if not python.installed:
        raise UnavailableError(
            "the run recorded no installed distributions to build an environment from",
            hint="it was recorded by an older Veristep; audit with --in-place, which is weaker",
        )
    asked, local = lock.wanted(python)
    base, differs = interpreter_for(python.version, python.base)
    sources = [each.source for each in local if each.how == "editable"]
    added = tuple(each for each in python.added() if any(below(each, one) for one in [*sources, root]))
    return _Wanted(asked, local, added, base, (differs,) if differs else ())


def _kept(
    ledger: Ledger, wanted: _Wanted, tell: Callable[[str], None]
) -> tuple[tuple[Path, Mapping[str, Any]] | None, str]:
    """Return the kept environment if it is byte for byte what was built, and what of it was changed."""
    entries = [each for each in ledger.entries(kind=BUILT) if each.body.get("request") == wanted.request]
    if not entries:
        return None, ""
    body: Mapping[str, Any] = entries[-1].body
    place = _place(str(body["lock"]), wanted.request)
    if not place.is_dir():
        return None, ""
    tell(f"comparing the environment built before with what was built ({body['files']} files)")
    try:
        expected = tree.from_bytes(ledger.objects.read(str(body["objects"]["content"])))
        wrong = tree.differences(expected, tree.take(place))
    except (TamperedError, UnavailableError, OSError):
        wrong = ["what it is compared with"]
    if not wrong:
        return (place, body), ""
    more = f" and {len(wrong) - MAX_NAMED} more" if wrong[MAX_NAMED:] else ""
    named = ", ".join(wrong[:MAX_NAMED]) + more
    tell(f"the environment built before was changed since ({named}); it is built again")
    return None, named


def _build(
    ledger: Ledger,
    wanted: _Wanted,
    python: RecordedPython,
    sandbox: Sandbox,
    tell: Callable[[str], None],
) -> tuple[Path, Mapping[str, Any]]:
    count = len(wanted.asked.pins)
    tell(f"building the run's environment from the registry, {count} distributions; it is kept for later")
    with tempfile.TemporaryDirectory(prefix="build-", dir=folder()) as work:
        pip = Pip(wanted.base, Path(work))
        found = pip.resolve(wanted.asked)
        place = _place(found.digest, wanted.request)
        shutil.rmtree(place, ignore_errors=True)
        place.mkdir(mode=0o700)
        try:
            # In its place at once: a virtual environment's programs name the interpreter by its path.
            pip.install(found, place / ENVIRONMENT)
            tell("compiling it")
            _carry(wanted.local, python, place / CARRIED)
            (place / BYTE_CODE).mkdir()
            _compile(wanted, python, place, sandbox)
            content = tree.take(place)
        except BaseException:
            shutil.rmtree(place, ignore_errors=True)
            raise
    body: dict[str, Json] = {
        "request": wanted.request,
        "lock": found.digest,
        "python": python.build,
        "files": len(content),
        "carried": [f"{each.name}=={each.version}" for each in wanted.local],
        "objects": {
            "content": ledger.objects.put(tree.to_bytes(content)),
            "lock": ledger.objects.put(found.text().encode()),
        },
    }
    ledger.append(Draft(BUILT, body))
    return place, body


def _place(lock_digest: str, request: str) -> Path:
    short = [each.removeprefix("sha256:")[:16] for each in (lock_digest, request)]
    return folder() / "-".join(short)


@contextmanager
def _alone() -> Iterator[None]:
    """Let one audit at a time look at, and change, what was built."""
    folder().mkdir(parents=True, exist_ok=True, mode=0o700)
    with (folder() / "lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _compile(wanted: _Wanted, python: RecordedPython, place: Path, sandbox: Sandbox) -> None:
    interpreter = _interpreter(wanted, python, place, {"lock": ""}, "/nowhere", "")
    executable = f"{interpreter.prefix}/bin/python"
    byte_code.compile_into(interpreter, sandbox, executable, place / BYTE_CODE)


def _carry(local: tuple[Local, ...], python: RecordedPython, target: Path) -> None:
    """Copy the files of distributions that no registry has; an editable one is found by its folder."""
    target.mkdir()
    for each in local:
        if each.how == "editable":
            continue
        for packages in python.packages():
            info = Path(packages) / f"{each.name}-{each.version}.dist-info"
            if (info / "RECORD").is_file():
                _copy(Path(packages), info / "RECORD", target)
                break


def _copy(packages: Path, record: Path, target: Path) -> None:
    with record.open(encoding="utf-8", newline="") as file:
        for row in csv.reader(file):
            path = os.path.normpath(row[0]) if row else ""
            inside = path and not path.startswith(("..", "/")) and "__pycache__" not in path
            if inside and (packages / path).is_file():
                (target / path).parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(packages / path, target / path)


def _interpreter(
    wanted: _Wanted,
    python: RecordedPython,
    place: Path,
    body: Mapping[str, Any],
    root: str,
    changed: str,
) -> Interpreter:
    outside = [each for each in wanted.added if not below(each, root)]
    excepted = lock.names(wanted.local)
    kind = "rebuilt from the registry" + (f" except {excepted}" if excepted else "")
    weaker = [f"{excepted} came from no registry and were taken as they lie"] if excepted else []
    if changed:
        weaker.append(f"the environment built before had been changed ({changed}) and was built again")
    base = str(Path(os.path.realpath(wanted.base)).parent.parent)
    return Interpreter(
        kind=kind,
        readable=(str(place), base, *(each for each in outside if Path(each).is_dir())),
        recorded=python.prefix,
        prefix=str(place / ENVIRONMENT),
        byte_code=place / BYTE_CODE,
        path=(*wanted.added, str(place / CARRIED)) if wanted.local else wanted.added,
        digest=str(body["lock"]),
        differences=(*wanted.differences, *weaker),
        virtual=python.virtual,
    )
