"""How a working tree differs from its commit, by the bytes themselves.

git's own answer can be made to leave files out: flags in the index, filters that turn an edit back before
it is compared. Here each tracked file is hashed as git hashes a blob, and held against the commit's tree.
"""

from __future__ import annotations

import hashlib
import os
import re
import stat
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from veristep.supervise.repository import git

MAX_FILE_BYTES = 256 << 20
MAX_FILES = 200_000
_MOST_DEEP = 5
_LFS = re.compile(
    rb"\Aversion https://git-lfs\.github\.com/spec/v1\noid sha256:([0-9a-f]{64})\nsize (\d+)\n"
)
_LFS_MAX_BYTES = 1024


@dataclass(frozen=True, slots=True)
class Edit:
    """A tracked file that differs from its commit.

    Attributes:
        path: below the root.
        blob: of the commit.
        now: as it is; empty when it is gone.
        hidden: what keeps git from showing it; empty for an edit that it shows.
        own: whether what hides it is the user's own configuration.
    """

    path: str
    blob: str
    now: str
    hidden: str = ""
    own: bool = False


@dataclass(frozen=True, slots=True)
class RepositoryState:
    """A repository and its working tree.

    Attributes:
        root: its top folder.
        commit: what is checked out; empty without any.
        tracked: files of the commit, and of submodules.
        edits: of them.
        submodules: per path the commit that is named and the one that is checked out, where these differ.
        not_compared: files that are too large or cannot be read.
    """

    root: str
    commit: str
    tracked: frozenset[str]
    edits: tuple[Edit, ...]
    submodules: tuple[tuple[str, str, str], ...]
    not_compared: int


def look(folder: Path, depth: int = 0) -> RepositoryState | None:
    """Return the state of the repository around a folder; None when there is none, or git refuses it.

    Files of submodules that are checked out count as the repository's: they are compared with the commit
    that the submodule is at.

    Args:
        folder: in the working tree.
        depth: how many repositories it is a submodule of.
    """
    root = git.text(git.run(folder, "rev-parse", "--show-toplevel"))
    if not root:
        return None
    commit = git.text(git.run(folder, "rev-parse", "--verify", "-q", "HEAD"))
    algorithm = git.text(git.run(folder, "rev-parse", "--show-object-format")) or "sha1"
    listed = git.names(git.run(Path(root), "ls-tree", "-r", "-z", "HEAD")) if commit else []
    flags = _flags(Path(root))
    tracked: set[str] = set()
    edits: list[Edit] = []
    nested: list[Edit] = []
    submodules: list[tuple[str, str, str]] = []
    not_compared = max(0, len(listed) - MAX_FILES)
    for line in listed[:MAX_FILES]:
        about, _, path = line.partition("\t")
        mode, kind, blob = about.split(" ")
        if kind == "commit":
            now = git.text(git.run(Path(root) / path, "rev-parse", "--verify", "-q", "HEAD"))
            is_own = (Path(root) / path / ".git").exists()
            if is_own and now != blob:
                submodules.append((path, blob, now))
            inside = look(Path(root) / path, depth + 1) if is_own and depth < _MOST_DEEP else None
            if inside is not None and inside.root != root:
                tracked |= {f"{path}/{each}" for each in inside.tracked}
                nested += [replace(each, path=f"{path}/{each.path}") for each in inside.edits]
                submodules += [(f"{path}/{one}", was, is_now) for one, was, is_now in inside.submodules]
                not_compared += inside.not_compared
            continue
        tracked.add(path)
        compared = _compare(Path(root) / path, mode, algorithm)
        if compared is None:
            not_compared += 1
        elif compared != blob:
            edits.append(Edit(path, blob, compared, flags.get(path, "")))
    found = _explained(Path(root), edits, algorithm, _hides_all(Path(root)))
    return RepositoryState(
        root, commit, frozenset(tracked), (*found, *nested), tuple(submodules), not_compared
    )


def _flags(root: Path) -> dict[str, str]:
    """Return the files that the index tells git not to look at, and how."""
    found = {}
    for line in git.names(git.run(root, "ls-files", "-v", "-z")):
        flag, path = line[:1], line[2:]
        if flag in "Ss":
            found[path] = "marked skip-worktree in the index"
        elif flag.islower():
            found[path] = "marked assume-unchanged in the index"
    return found


def _compare(path: Path, mode: str, algorithm: str) -> str | None:
    """Return the blob a file would be; empty when it is gone or of another kind; None when unknown."""
    try:
        status = path.lstat()
        if stat.S_ISLNK(status.st_mode):
            return _blob(os.readlink(os.fsencode(path)), algorithm)  # noqa: PTH115
        if not stat.S_ISREG(status.st_mode) or mode == "120000":
            return ""
        if status.st_size > MAX_FILE_BYTES:
            return None
        return _blob(path.read_bytes(), algorithm)
    except (FileNotFoundError, NotADirectoryError):
        return ""
    except OSError:
        return None


def _blob(data: bytes, algorithm: str) -> str:
    hasher = hashlib.sha256 if algorithm == "sha256" else hashlib.sha1
    return hasher(b"blob %d\0" % len(data) + data, usedforsecurity=False).hexdigest()


def _hides_all(root: Path) -> str:
    """Return what keeps git from showing any edit; empty for nothing."""
    configured = git.text(git.run(root, "config", "--get", "core.worktree"))
    if configured:
        place = os.path.join(git.text(git.run(root, "rev-parse", "--absolute-git-dir")), configured)  # noqa: PTH118
        if os.path.realpath(place) != os.path.realpath(root):
            return f"core.worktree names {place} as the working tree"
    replaced = git.text(git.run(root, "for-each-ref", "--count=1", "--format=%(refname)", "refs/replace"))
    return f"objects are replaced by others ({replaced})" if replaced else ""


def _explained(root: Path, edits: list[Edit], algorithm: str, all_hidden: str) -> tuple[Edit, ...]:
    """Leave out what ends of lines or large-file pointers explain; say of the rest what hides it."""
    attributes = _attributes(root, [each.path for each in edits])
    found = []
    for edit in edits:
        about = attributes.get(edit.path, {})
        driver = about.get("filter", "")
        if edit.now and _is_same(root / edit.path, edit, about, algorithm):
            continue
        if not edit.now and edit.hidden.startswith("marked skip-worktree"):
            continue  # a sparse checkout leaves it out
        if driver and not edit.hidden and edit.now:
            scope = git.text(git.run(root, "config", "--show-scope", "--get", f"filter.{driver}.clean"))
            local = scope.startswith(("local", "worktree"))
            if scope:
                edit = Edit(  # noqa: PLW2901
                    edit.path, edit.blob, edit.now, f"filter {driver!r} goes over it first", own=not local
                )
        found.append(replace(edit, hidden=all_hidden) if all_hidden and not edit.hidden else edit)
    return tuple(found)


def _attributes(root: Path, paths: list[str]) -> dict[str, dict[str, str]]:
    if not paths:
        return {}
    given = "\0".join(paths).encode("utf-8", "surrogateescape") + b"\0"
    said = git.names(git.run(root, "check-attr", "-z", "--stdin", "filter", "text", "eol", given=given))
    found: dict[str, dict[str, str]] = {}
    for path, name, value in zip(said[::3], said[1::3], said[2::3], strict=False):
        if value not in ("unspecified", "unset"):
            found.setdefault(path, {})[name] = value
    return found


def _is_same(path: Path, edit: Edit, about: Mapping[str, str], algorithm: str) -> bool:
    """Whether a file is its commit's, apart from ends of lines, or the file a large-file pointer names."""
    try:
        data = path.read_bytes()
    except OSError:
        return False
    if about.get("text") or about.get("eol"):
        return _blob(data.replace(b"\r\n", b"\n"), algorithm) == edit.blob
    if about.get("filter") == "lfs":
        pointer = git.run(path.parent, "cat-file", "blob", edit.blob) or b""
        match = _LFS.match(pointer) if len(pointer) <= _LFS_MAX_BYTES else None
        return match is not None and hashlib.sha256(data).hexdigest().encode() == match[1]
    return False
