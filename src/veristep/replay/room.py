"""The scratch a replay runs in: the run's code as recorded, its data where it lies, nothing it wrote."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from veristep.errors import TamperedError, UnavailableError
from veristep.ledger.objects import ObjectStore
from veristep.supervise.code import Code

# A folder with more entries than this is a data set: it is linked as a whole, and stays read-only.
LINK_WHOLE_ENTRIES = 5000
_NEVER_COPIED = {".git", "__pycache__"}
# Variables that make other code run before the script's, and that no training needs.
_DROPPED = (
    "LD_PRELOAD",
    "LD_AUDIT",
    "BASH_ENV",
    "ENV",
    "GCONV_PATH",
    "PYTHONSTARTUP",
    "PYTHONHOME",
    "PYTHONINSPECT",
    "PYTHONBREAKPOINT",
    "PYTHONUSERBASE",
    "PYTHONEXECUTABLE",
    "VERISTEP_RUN",
)
# Trackers and hubs stay offline: a replay tells nobody anything.
_OFFLINE = {
    "WANDB_MODE": "offline",
    "WANDB_SILENT": "true",
    "COMET_OFFLINE_MODE": "1",
    "NEPTUNE_MODE": "offline",
    "CLEARML_OFFLINE_MODE": "1",
    "HF_HUB_OFFLINE": "1",
    "HF_DATASETS_OFFLINE": "1",
    "TRANSFORMERS_OFFLINE": "1",
    "DO_NOT_TRACK": "1",
    "PYTHONNOUSERSITE": "1",
    "PYTHON_DISABLE_REMOTE_DEBUG": "1",
}


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
    """

    code: Code
    cwd: str
    command: Sequence[str]
    environment: Mapping[str, str]
    started_ns: int
    written: frozenset[str]
    preserved: tuple[Preserved, ...]


@dataclass(frozen=True, slots=True)
class Room:
    """A furnished scratch.

    Attributes:
        folder: all of it; the only place its script may write to.
        cwd: the working directory in it.
        command: the command line, with paths below the code's root moved into the room.
        environment: the clean set of variables.
        dropped: variables left out, by name.
    """

    folder: Path
    cwd: Path
    command: list[str]
    environment: dict[str, str]
    dropped: tuple[str, ...]

    def remove(self) -> None:
        """Delete the scratch; links in it are deleted, not followed."""
        shutil.rmtree(self.folder, ignore_errors=True)


def furnish(objects: ObjectStore, origin: Origin, byte_code: Path) -> Room:
    """Make a room.

    Raises:
        UnavailableError: a file of the code is missing in the object store.
        TamperedError: one was changed there.
    """
    # Short, because sockets in its temporary folder have 108 bytes for their path.
    folder = Path(os.path.realpath(tempfile.mkdtemp(prefix="vsr-")))
    try:
        work = folder / "work"
        for name in ("work", "tmp", "cache"):
            (folder / name).mkdir()
        root = Path(origin.code.root)
        _place_code(objects, origin.code, work)
        _place_preserved(objects, origin, root, work)
        known = {file.path for file in origin.code.files}
        _link_rest(root, work, origin, known)
        cwd = _moved_path(origin.cwd, root, work)
        cwd.mkdir(parents=True, exist_ok=True)
        environment, dropped = _environment(origin, root, work, folder, byte_code)
        command = _command(origin, root, work)
        return Room(folder, cwd, command, environment, dropped)
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise


def _place_code(objects: ObjectStore, code: Code, work: Path) -> None:
    for file in code.files:
        target = _inside(work, work / file.path)
        if file.object:
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(objects.read(file.object))
            target.chmod(file.mode | 0o600)
        elif file.target:
            target.parent.mkdir(parents=True, exist_ok=True)
            target.symlink_to(file.target)
        elif not target.exists() and (Path(code.root) / file.path).exists():
            target.parent.mkdir(parents=True, exist_ok=True)
            target.symlink_to(Path(code.root) / file.path)


def _inside(work: Path, target: Path) -> Path:
    """Return `target` if it lies in the scratch, wherever links lead: furnishing writes unconfined.

    Raises:
        TamperedError: a forged description of code would have something written elsewhere.
    """
    place = os.path.join(os.path.realpath(target.parent), target.name)  # noqa: PTH118
    if target.name in ("", "..") or not place.startswith(str(work) + os.sep):
        raise TamperedError(f"the recorded code would be placed outside the scratch: {target}")
    return target


def _place_preserved(objects: ObjectStore, origin: Origin, root: Path, work: Path) -> None:
    for file in origin.preserved:
        if not file.path.startswith(str(root) + os.sep):
            continue
        target = _inside(work, _moved_path(file.path, root, work))
        if not file.object:
            raise UnavailableError(
                f"{file.path} was overwritten by the run and was too large to be preserved"
            )
        target.parent.mkdir(parents=True, exist_ok=True)
        target.unlink(missing_ok=True)
        target.write_bytes(objects.read(file.object))
        target.chmod(file.mode | 0o600)


def _link_rest(root: Path, work: Path, origin: Origin, known: set[str]) -> None:
    """Link what lies beside the code and was there when the run started: data, mostly."""
    taken = {os.path.normpath(root / name) for name in known} | {file.path for file in origin.preserved}
    code_folders = {str(parent) for name in known for parent in Path(name).parents}
    for folder, folders, names in os.walk(root):
        relative = os.path.relpath(folder, root)
        here = work if relative == "." else work / relative
        folders[:] = [name for name in folders if name not in _NEVER_COPIED]
        if len(names) + len(folders) > LINK_WHOLE_ENTRIES and relative not in code_folders:
            if not here.exists():
                here.symlink_to(folder)
            folders[:] = []
            continue
        for name in list(folders):
            path = os.path.join(folder, name)  # noqa: PTH118
            if os.path.islink(path) or _is_environment(path):  # noqa: PTH114
                folders.remove(name)
                _link(path, here / name)
        for name in names:
            path = os.path.join(folder, name)  # noqa: PTH118
            if path not in taken and path not in origin.written and _older(path, origin.started_ns):
                _link(path, here / name)


def _link(path: str, target: Path) -> None:
    if not os.path.lexists(target):
        target.parent.mkdir(parents=True, exist_ok=True)
        target.symlink_to(path)


def _is_environment(path: str) -> bool:
    return os.path.exists(os.path.join(path, "pyvenv.cfg"))  # noqa: PTH110, PTH118


def _older(path: str, started_ns: int) -> bool:
    try:
        return Path(path).stat().st_mtime_ns <= started_ns
    except OSError:
        return False


def _moved_path(path: str, root: Path, work: Path) -> Path:
    try:
        return work / Path(path).relative_to(root)
    except ValueError:
        return Path(path)


def _moved(text: str, root: Path, work: Path) -> str:
    """Return a word with the code's root replaced by the room's, where the room has what it names."""
    prefix = str(root)
    head, found, rest = text.partition(prefix)
    if not found or (rest and not rest.startswith(os.sep)):
        return text
    if head and not head.endswith(("=", ":")):
        return text
    return head + str(work) + rest


def _command(origin: Origin, root: Path, work: Path) -> list[str]:
    program, *arguments = origin.command
    if os.sep in program:
        resolved = os.path.normpath(os.path.join(origin.cwd, program))  # noqa: PTH118
        moved = _moved_path(resolved, root, work)
        program = str(moved) if moved.exists() and not moved.is_symlink() else resolved
    return [program, *(_moved(argument, root, work) for argument in arguments)]


def _environment(
    origin: Origin, root: Path, work: Path, folder: Path, byte_code: Path
) -> tuple[dict[str, str], tuple[str, ...]]:
    environment: dict[str, str] = {}
    dropped: list[str] = []
    for name, value in origin.environment.items():
        if name in _DROPPED or value == "[redacted]":
            dropped.append(name)
        elif name == "PYTHONPATH":
            # Only what belongs to the code; anything else there could be what is being looked for.
            kept = [_moved(each, root, work) for each in value.split(os.pathsep) if each]
            inside = [each for each in kept if each.startswith(str(work))]
            dropped += [name] if len(inside) < len(kept) else []
            if inside:
                environment[name] = os.pathsep.join(inside)
        else:
            environment[name] = _moved(value, root, work)
    environment |= _OFFLINE
    scratch = str(folder / "tmp")
    environment |= dict.fromkeys(("TMPDIR", "TMP", "TEMP", "WANDB_DIR"), scratch)
    cache = str(folder / "cache")
    environment |= {
        "TORCHINDUCTOR_CACHE_DIR": cache + "/inductor",
        "TRITON_CACHE_DIR": cache + "/triton",
        "MPLCONFIGDIR": cache + "/matplotlib",
        "MLFLOW_TRACKING_URI": f"file:{cache}/mlruns",
        "PYTHONPYCACHEPREFIX": str(byte_code),
    }
    environment.pop("PYTHONDONTWRITEBYTECODE", None)
    return environment, tuple(dropped)


def paths_of(lines: Iterable[Mapping[str, object]], kind: str) -> frozenset[str]:
    """Return the paths that lines of one type name."""
    return frozenset(str(line["path"]) for line in lines if line.get("type") == kind)
