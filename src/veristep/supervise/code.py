"""The code a run starts from, kept so that a replay starts from the same bytes.

In a repository that is every tracked and every untracked, not ignored file; elsewhere every small file
below the working directory. Large files are named, not kept: they are data, and a replay reads them where
they are. So are files that by their names hold secrets.
"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from veristep.core.canonical import Json, decode_object, encode
from veristep.errors import MalformedError, VeristepError
from veristep.ledger.objects import ObjectStore
from veristep.supervise.describe import Repository, repository_files

KEEP_BYTES = 1 << 20
# A working directory that is a home or a data set is not walked to its end.
MAX_FILES = 20_000
MAX_KEPT_BYTES = 256 << 20
SECRET_FILE = re.compile(
    r"\.env(\..+)?|.+\.(pem|p12|pfx|key|keystore)|id_(rsa|dsa|ecdsa|ed25519)|\.netrc|\.pypirc|\.npmrc"
    r"|\.git-credentials|credentials(\.json)?|\.htpasswd"
)
_SKIPPED_FOLDERS = {".git", "__pycache__", ".venv", "venv", "node_modules", ".mypy_cache", ".ruff_cache"}


@dataclass(frozen=True, slots=True)
class CodeFile:
    """One file of the code: a kept one has an object name, a symbolic link a target."""

    path: str
    mode: int
    size: int
    object: str = ""
    target: str = ""


@dataclass(frozen=True, slots=True)
class Code:
    """The files a run started from.

    Attributes:
        root: the folder they lie in.
        files: each file, by path below the root.
        complete: False when there were too many to list or keep; `reason` says which.
        reason: why it is not complete.
    """

    root: str
    files: tuple[CodeFile, ...]
    complete: bool = True
    reason: str = ""

    def to_bytes(self) -> bytes:
        """Return the canonical JSON form."""
        files: list[Json] = [
            [file.path, file.mode, file.size, file.object, file.target] for file in self.files
        ]
        return encode({"root": self.root, "files": files, "complete": self.complete, "reason": self.reason})

    @classmethod
    def from_bytes(cls, data: bytes) -> Code:
        """Parse the JSON form.

        Raises:
            MalformedError: it is not a description of code.
        """
        value: Mapping[str, Any] = decode_object(data)
        try:
            files = tuple(CodeFile(*entry) for entry in value["files"])
            return cls(str(value["root"]), files, bool(value["complete"]), str(value["reason"]))
        except (KeyError, TypeError) as error:
            raise MalformedError(f"not a description of code: {error!r}") from error


def capture(objects: ObjectStore, folder: Path, repository: Repository | None) -> Code:
    """Keep the code below `folder`, or of the repository around it."""
    root = Path(repository.root) if repository else folder
    names = repository_files(root) if repository else list(_walk(root))
    files: list[CodeFile] = []
    kept = 0
    reason = f"more than {MAX_FILES} files" if len(names) > MAX_FILES else ""
    for name in sorted(set(names[:MAX_FILES])):
        file = _capture_file(objects, root, name, keep=kept < MAX_KEPT_BYTES)
        if file is not None:
            files.append(file)
            kept += file.size if file.object else 0
    if kept >= MAX_KEPT_BYTES:
        reason = f"more than {MAX_KEPT_BYTES >> 20} MiB of small files"
    return Code(str(root), tuple(files), not reason, reason)


def _capture_file(objects: ObjectStore, root: Path, name: str, *, keep: bool) -> CodeFile | None:
    path = root / name
    try:
        status = path.lstat()
        if stat.S_ISLNK(status.st_mode):
            return CodeFile(name, 0, 0, target=os.readlink(path))  # noqa: PTH115
        if not stat.S_ISREG(status.st_mode):
            return None
        mode = stat.S_IMODE(status.st_mode)
        if not keep or status.st_size > KEEP_BYTES or SECRET_FILE.fullmatch(path.name):
            return CodeFile(name, mode, status.st_size)
        return CodeFile(name, mode, status.st_size, objects.put(path.read_bytes()))
    except (OSError, VeristepError):
        return None  # gone meanwhile, or unreadable: a replay will say that it is missing


def _walk(root: Path) -> Iterator[str]:
    count = 0
    for folder, folders, names in os.walk(root):
        folders[:] = sorted(name for name in folders if name not in _SKIPPED_FOLDERS)
        for name in sorted(names):
            yield os.path.relpath(os.path.join(folder, name), root)  # noqa: PTH118
            count += 1
            if count > MAX_FILES:
                return
