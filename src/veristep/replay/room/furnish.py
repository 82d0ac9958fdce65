"""The room a replay runs in: the run's code as recorded, its data where it lies, nothing it wrote."""

from __future__ import annotations

import os
import re
import shutil
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from veristep.errors import TamperedError, UnavailableError
from veristep.ledger.objects import ObjectStore
from veristep.replay.room import variables as room_variables
from veristep.replay.room import view as room_data
from veristep.replay.room.setting import Setting
from veristep.replay.room.view import DataFile
from veristep.replay.sandbox.view import HOST, OWN_ID, Identity, Mount, View
from veristep.supervise.code import Code

FALLBACK_USER = "replay"
_HOST = re.compile(r"[A-Za-z0-9][A-Za-z0-9.-]{0,62}")
_USER = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.@-]{0,31}")


@dataclass(frozen=True, slots=True)
class Preserved:
    """A file that was there before the run and that the run changed."""

    path: str
    object: str
    mode: int


@dataclass(frozen=True, slots=True)
class Origin:
    """What a room is made from.

    Attributes:
        code: the files the run started from.
        cwd: the run's working directory.
        command: the run's command line.
        environment: the run's environment, secrets already replaced.
        started_ns: when the run started: files that came later are left out.
        written: paths the run wrote.
        preserved: files as they were before the run changed them.
        data: what the run read, as far as it is known.
        made: folders the run made.
        host: the run's host name.
        user: the run's user.
    """

    code: Code
    cwd: str
    command: Sequence[str]
    environment: Mapping[str, str]
    started_ns: int
    written: frozenset[str]
    preserved: tuple[Preserved, ...]
    data: tuple[DataFile, ...] = ()
    made: frozenset[str] = frozenset()
    host: str = ""
    user: str = ""

    def vouched(self) -> frozenset[str]:
        """Return the files whose content the record holds, or a digest of it, or that the run made."""
        held = {os.path.join(self.code.root, file.path) for file in self.code.files if file.object}  # noqa: PTH118
        compared = {each.path for each in self.data if each.blake3}
        return frozenset(held | compared | self.written | {each.path for each in self.preserved})


@dataclass(frozen=True, slots=True)
class Room:
    """A furnished room.

    Attributes:
        folder: all of it; the only place of this machine its script may write to.
        cwd: the working directory in it.
        command: the command line.
        environment: the clean set of variables.
        dropped: variables left out, by name.
        view: what is seen of this machine in it, without the Python environment.
        identity: who and where its script believes to be.
    """

    folder: Path
    cwd: Path
    command: list[str]
    environment: dict[str, str]
    dropped: tuple[str, ...]
    view: View
    identity: Identity

    def remove(self) -> None:
        """Delete the room; links in it are deleted, not followed."""
        shutil.rmtree(self.folder, ignore_errors=True)


def furnish(objects: ObjectStore, origin: Origin, setting: Setting) -> Room:
    """Make a room.

    Raises:
        UnavailableError: a file of the code is missing in the object store.
        TamperedError: one was changed there.
    """
    # Short, because sockets in its temporary folder have 108 bytes for their path.
    folder = Path(os.path.realpath(tempfile.mkdtemp(prefix="vsr-")))
    try:
        work = folder / "work"
        for name in ("work", "tmp", "cache", "etc", "home", "outside"):
            (folder / name).mkdir()
        root = Path(origin.code.root)
        _place_code(objects, origin.code, work, link_large=not setting.mounted)
        _place_preserved(objects, origin, root, work)
        place = root if setting.mounted else work
        show = _mounted if setting.mounted else _linked
        mounts = show(objects, origin, folder, setting)
        room_variables.moved_path(origin.cwd, root, work).mkdir(parents=True, exist_ok=True)
        environment, dropped = _variables(origin, setting, folder, place)
        command = room_variables.command(origin.command, origin.cwd, root, place, work)
        command[0] = setting.interpreter.program(command[0])
        view = View((Mount(str(folder), str(folder), writable=True), *mounts))
        cwd = room_variables.moved_path(origin.cwd, root, place)
        return Room(folder, cwd, command, environment, dropped, view, _identity(origin, setting))
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise


def _place_code(objects: ObjectStore, code: Code, work: Path, *, link_large: bool) -> None:
    for file in code.files:
        target = _inside(work, work / file.path)
        if file.object:
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(objects.read(file.object))
            target.chmod(file.mode | 0o600)
        elif file.target:
            target.parent.mkdir(parents=True, exist_ok=True)
            target.symlink_to(file.target)
        elif link_large and not target.exists() and (Path(code.root) / file.path).exists():
            target.parent.mkdir(parents=True, exist_ok=True)
            target.symlink_to(Path(code.root) / file.path)


def _inside(work: Path, target: Path) -> Path:
    """Return `target` if it lies in the room, wherever links lead: furnishing writes unconfined.

    Raises:
        TamperedError: a forged description of code would have something written elsewhere.
    """
    place = os.path.join(os.path.realpath(target.parent), target.name)  # noqa: PTH118
    if target.name in ("", "..") or not place.startswith(str(work) + os.sep):
        raise TamperedError(f"the recorded code would be placed outside the room: {target}")
    return target


def _place_preserved(objects: ObjectStore, origin: Origin, root: Path, work: Path) -> None:
    for file in origin.preserved:
        if room_data.below(file.path, str(root)):
            target = _inside(work, room_variables.moved_path(file.path, root, work))
            _put_back(objects, file, target)


def _put_back(objects: ObjectStore, file: Preserved, target: Path) -> None:
    if not file.object:
        raise UnavailableError(f"{file.path} was overwritten by the run and was too large to be preserved")
    target.parent.mkdir(parents=True, exist_ok=True)
    target.unlink(missing_ok=True)
    target.write_bytes(objects.read(file.object))
    target.chmod(file.mode | 0o600)


def _beside(origin: Origin) -> Iterable[str]:
    # Large files of the repository are data too: named in the code's description, not kept in it.
    known = {file.path for file in origin.code.files if file.object or file.target}
    taken = {file.path for file in origin.preserved}
    told = {each.path for each in origin.data}
    root = Path(origin.code.root)
    return room_data.beside(root, known, origin.written, taken, origin.started_ns, told)


def _linked(_objects: ObjectStore, origin: Origin, folder: Path, setting: Setting) -> list[Mount]:
    """Link the data into the room; return what the links lead to."""
    root, work = Path(origin.code.root), folder / "work"
    found: list[Mount] = []
    for path in _beside(origin):
        target = work / os.path.relpath(path, root)
        if not os.path.lexists(target):
            room_data.link(path, target)
            real = os.path.realpath(path)
            found += [Mount(each, each) for each in {path, real}]
    for file in origin.code.files:
        if file.target:
            found += [Mount(each.source, each.source) for each in room_data.linked(str(root / file.path))]
    return found + [
        Mount(each.source, each.source) for each in room_data.read_outside(origin.data, root, setting.shown)
    ]


def _mounted(objects: ObjectStore, origin: Origin, folder: Path, setting: Setting) -> list[Mount]:
    """Return what is shown where in a room with a root of its own."""
    root, work = Path(origin.code.root), folder / "work"
    home = origin.environment.get("HOME", "")
    found = [Mount(str(folder / "tmp"), each, writable=True) for each in ("/tmp", "/var/tmp")]  # noqa: S108
    if home.startswith("/") and home != "/" and not room_data.below(home, str(root)):
        found.append(Mount(str(folder / "home"), home, writable=True))
    found += _scratch(objects, origin, root, folder / "outside")
    found.append(Mount(str(work), str(root), writable=True))
    found += room_data.shown_inside(_beside(origin), root, work)
    for file in origin.code.files:
        if file.target:
            found += room_data.linked(str(root / file.path))
    found += room_data.read_outside(origin.data, root, setting.shown)
    return found


def _scratch(objects: ObjectStore, origin: Origin, root: Path, outside: Path) -> list[Mount]:
    """Put empty folders where the run wrote outside its root, with what it overwrote there."""
    preserved = [each for each in origin.preserved if not room_data.below(each.path, str(root))]
    paths = [*origin.written, *(each.path for each in preserved)]
    folders = room_data.written_outside(paths, origin.made, root)
    places = [one for one in folders if not any(one != o and room_data.below(one, o) for o in folders)]
    sources = {place: outside / str(number) for number, place in enumerate(places)}
    for place, source in sources.items():
        source.mkdir()
        for folder in folders:
            if room_data.below(folder, place):
                (source / os.path.relpath(folder, place)).mkdir(parents=True, exist_ok=True)
        for file in preserved:
            if room_data.below(file.path, place):
                target = _inside(outside, source / os.path.relpath(file.path, place))
                _put_back(objects, file, target)
    return [Mount(str(source), place, writable=True) for place, source in sources.items()]


def _variables(
    origin: Origin, setting: Setting, folder: Path, place: Path
) -> tuple[dict[str, str], tuple[str, ...]]:
    root = Path(origin.code.root)

    def move(text: str) -> str:
        return room_variables.moved(text, root, place)

    environment, dropped = room_variables.variables(origin.environment, folder, place, move)
    environment |= setting.interpreter.variables(environment)
    environment["PYTHONPYCACHEPREFIX"] = str(setting.interpreter.byte_code)
    if setting.interpreter.path:
        own = environment.get("PYTHONPATH")
        added = [move(each) for each in setting.interpreter.path]
        environment["PYTHONPATH"] = os.pathsep.join([*([own] if own else []), *added])
    if setting.sandbox.own_network:
        room_variables.for_loopback(environment)
    return environment, dropped


def _identity(origin: Origin, setting: Setting) -> Identity:
    home = origin.environment.get("HOME", "/")
    return Identity(
        host=origin.host if _HOST.fullmatch(origin.host) else HOST,
        user=origin.user if _USER.fullmatch(origin.user) else FALLBACK_USER,
        uid=OWN_ID if setting.sandbox.own_uid else os.getuid(),
        home=home if home.isprintable() and ":" not in home else "/",
    )
