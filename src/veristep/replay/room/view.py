"""What a room shows of this machine's files beside the recorded code, and what stands in for the rest."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from veristep.replay.sandbox.view import Mount
from veristep.supervise.code import SECRET_FILE

# A folder with more entries than this is a data set: it is shown as a whole, and stays read-only.
WHOLE_ENTRIES = 5000
# More single files than this are shown through links to their folder at another place.
SINGLE_MOUNTS = 1500
ELSEWHERE = "/run/veristep/root"
_NEVER_SHOWN = {".git", "__pycache__"}
_SYSTEM = (
    "/bin", "/boot", "/dev", "/etc", "/lib", "/lib32", "/lib64", "/libx32", "/proc", "/run", "/sbin",
    "/sys", "/usr", "/tmp", "/var/tmp",  # noqa: S108
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class DataFile:
    """A file or folder that the run read, as its manifest has it.

    Attributes:
        path: where it lies.
        folder: whether it is a folder whose names the run listed.
        size: bytes, when the run read it.
        blake3: digest of its content; empty when there was no time to read it.
        note: why it is in the manifest without a digest.
    """

    path: str
    folder: bool = False
    size: int = 0
    blake3: str = ""
    note: str = ""


def below(path: str, folder: str) -> bool:
    """Whether a path is a folder or lies below it."""
    return path == folder or path.startswith(folder.rstrip("/") + "/")


def private(path: str) -> bool:
    """Whether showing a folder would show somebody's home, or the system's own files."""
    homes = {str(Path.home()), "/root", *(str(each) for each in _homes())}
    holds_a_home = any(below(home, path) for home in homes)
    hidden = any(
        below(path, home) and Path(path).relative_to(home).parts[:1][0].startswith(".")
        for home in homes
        if below(path, home) and path != home
    )
    return path == "/" or holds_a_home or hidden or path in _SYSTEM


def _homes() -> Iterator[Path]:
    try:
        yield from Path("/home").iterdir()
    except OSError:
        return


def beside(
    root: Path, known: set[str], written: frozenset[str], taken: set[str], started_ns: int, told: set[str]
) -> Iterator[str]:
    """Yield what lies beside the code and was there when the run started: data, mostly.

    Args:
        root: the code's folder.
        known: the code's files, below the root.
        written: what the run wrote.
        taken: paths that are in the room already.
        started_ns: when the run started.
        told: paths the run is known to have read; of a home, only these are shown.
    """
    inside = {os.path.normpath(root / name) for name in known} | taken
    code_folders = {str(parent) for name in known for parent in Path(name).parents}
    home = private(str(root))
    for folder, folders, names in os.walk(root):
        relative = os.path.relpath(folder, root)
        folders[:] = [name for name in folders if name not in _NEVER_SHOWN]
        if len(names) + len(folders) > WHOLE_ENTRIES and relative not in code_folders and not home:
            yield folder
            folders[:] = []
            continue
        for name in list(folders):
            path = os.path.join(folder, name)  # noqa: PTH118
            if os.path.islink(path) or _is_environment(path):  # noqa: PTH114
                folders.remove(name)
                if not home or path in told:
                    yield path
        for name in names:
            path = os.path.join(folder, name)  # noqa: PTH118
            shown = path in told or not (home or SECRET_FILE.fullmatch(name))
            if shown and path not in inside and path not in written and _older(path, started_ns):
                yield path


def link(path: str, target: Path) -> None:
    """Put a link to `path` at `target`, unless something is there."""
    if not os.path.lexists(target):
        target.parent.mkdir(parents=True, exist_ok=True)
        target.symlink_to(path)


def shown_inside(paths: Iterable[str], root: Path, work: Path) -> list[Mount]:
    """Show paths below the root at their own places over a `work` that stands in for the root."""
    found: list[Mount] = []
    single: list[str] = []
    for path in paths:
        target = work / os.path.relpath(path, root)
        if os.path.lexists(target):
            continue
        if os.path.islink(path):  # noqa: PTH114
            link(os.readlink(path), target)  # noqa: PTH115
            found += linked(path)
        else:
            single.append(path)
    if len(single) > SINGLE_MOUNTS:
        for path in single:
            relative = os.path.relpath(path, root)
            link(os.path.join(ELSEWHERE, relative), work / relative)  # noqa: PTH118
        return [*found, Mount(str(root), ELSEWHERE)]
    return [*found, *(Mount(path, path) for path in single)]


def linked(path: str) -> list[Mount]:
    """Return what has to be seen for a symbolic link to lead somewhere, unless that is private."""
    real = os.path.realpath(path)
    if not os.path.exists(real) or private(real):  # noqa: PTH110
        return []
    literal = os.path.join(os.path.dirname(path), os.readlink(path))  # noqa: PTH115, PTH118, PTH120
    literal = os.path.normpath(literal)
    return [Mount(real, real), *([Mount(real, literal)] if literal != real else [])]


def read_outside(data: Iterable[DataFile], root: Path, shown: Iterable[str]) -> list[Mount]:
    """Show what the run is known to have read outside the root, and what the auditor shows besides."""
    wanted = [
        *(each.path for each in data if not (each.folder and private(each.path))),
        *shown,
    ]
    found: dict[str, Mount] = {}
    for path in wanted:
        if below(path, str(root)) and not os.path.islink(path):  # noqa: PTH114
            continue
        real = os.path.realpath(path)
        if not os.path.exists(real):  # noqa: PTH110
            continue
        for place in (path, real):
            if not below(place, str(root)):
                found[place] = Mount(real, place)
    folders = [place for place, mount in found.items() if os.path.isdir(mount.source)]  # noqa: PTH112
    return [
        mount
        for place, mount in found.items()
        if not any(place != folder and below(place, folder) for folder in folders)
    ]


def written_outside(written: Iterable[str], made: Iterable[str], root: Path) -> list[str]:
    """Return the folders outside the root that a run wrote to and that were there before it.

    Args:
        written: files the run wrote.
        made: folders the run made.
        root: the code's folder.
    """
    new = set(made)
    found: set[str] = set()
    for path in [*written, *new]:
        folder = os.path.dirname(path)  # noqa: PTH120
        while folder in new:
            folder = os.path.dirname(folder)  # noqa: PTH120
        if not below(folder, str(root)) and not _of_the_system(folder):
            found.add(folder)
    return sorted(found)


def _of_the_system(folder: str) -> bool:
    # The private /tmp and the room's own root are there anyway, and a replay has no business elsewhere.
    return folder == "/" or any(below(folder, each) for each in _SYSTEM if each not in ("/tmp", "/var/tmp"))  # noqa: S108


def _is_environment(path: str) -> bool:
    return os.path.exists(os.path.join(path, "pyvenv.cfg"))  # noqa: PTH110, PTH118


def _older(path: str, started_ns: int) -> bool:
    try:
        status = os.stat(path)  # noqa: PTH116
    except OSError:
        return False
    return status.st_mtime_ns <= started_ns and not stat.S_ISSOCK(status.st_mode)
