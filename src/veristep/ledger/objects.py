"""The object store: files named by the BLAKE3 digest of their content.

An object named ``blake3:<64 hex>`` lies at ``<first 2 hex>/<64 hex>`` below the store's folder.
Writers fill a file under ``tmp/`` and rename it, so an object is whole or not there. This module is
used inside training processes: it imports the standard library and blake3 only.
"""

from __future__ import annotations

import os
import re
import tempfile
from collections.abc import Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from blake3 import blake3

from veristep.errors import MalformedError, StorageError, TamperedError, UnavailableError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import TracebackType
    from typing import Self

    from typing_extensions import Buffer

    from veristep.core.canonical import Json

PREFIX = "blake3:"
TEMPORARY = "tmp"
OBJECTS_FIELD = "objects"

_NAME = re.compile(r"blake3:[0-9a-f]{64}")
_CHUNK_BYTES = 1 << 20


def name_of(data: Buffer) -> str:
    """Return the name of an object holding `data`."""
    return PREFIX + blake3(data).hexdigest()


class ObjectWriter:
    """Writes one object whose name is known when all of it is written, or before.

    Leaving the ``with`` block without `commit` leaves nothing behind.
    """

    def __init__(self, store: ObjectStore, name: str = "") -> None:
        self._store = store
        self._name = name
        self._hasher = blake3()
        self._size = 0
        with store._guard():
            folder = store.root / TEMPORARY
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            descriptor, path = tempfile.mkstemp(dir=folder)
        self._path = Path(path)
        self._descriptor = descriptor

    def write(self, buffer: Buffer) -> None:
        """Add bytes.

        Raises:
            StorageError: the file system refuses them.
        """
        with self._store._guard(), memoryview(buffer).cast("B") as view:
            if not self._name:
                self._hasher.update(view)
            self._size += len(view)
            written = 0
            while written < len(view):
                written += os.write(self._descriptor, view[written:])

    def commit(self) -> str:
        """Make the object visible and return its name; an object already there is kept.

        Raises:
            StorageError: the file system refuses it.
        """
        name = self._name or PREFIX + self._hasher.hexdigest()
        with self._store._guard():
            if not self._store._holds(name, self._size):
                target = self._store.path(name)
                target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
                # Synced before the rename: otherwise a power cut could leave an empty file under
                # a name that says what it holds, and no later writer would replace it.
                os.fsync(self._descriptor)
                self._path.rename(target)
        return name

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        os.close(self._descriptor)
        with suppress(OSError):  # gone when committed; a leftover is listed by fsck
            self._path.unlink()


class ObjectStore:
    """A folder of objects; any number of processes may write to it at once."""

    def __init__(self, root: Path) -> None:
        self.root = Path(root)

    def put(self, data: Buffer) -> str:
        """Store bytes and return their name.

        Raises:
            StorageError: the file system refuses them.
        """
        return self.add(data)[0]

    def add(self, data: Buffer) -> tuple[str, int]:
        """Store bytes; return their name and how many had to be written: none when they were there.

        Raises:
            StorageError: the file system refuses them.
        """
        name = name_of(data)
        with memoryview(data) as view:
            size = view.nbytes
        if self._holds(name, size):
            return name, 0
        with ObjectWriter(self, name) as writer:
            writer.write(data)
            return writer.commit(), size

    def put_file(self, path: Path) -> str:
        """Store a copy of a file, a piece at a time, and return its name.

        Raises:
            UnavailableError: the file cannot be read.
            StorageError: the file system refuses the copy.
        """
        with self.writer() as writer:
            try:
                with Path(path).open("rb") as source:
                    while chunk := source.read(_CHUNK_BYTES):
                        writer.write(chunk)
            except OSError as error:
                raise UnavailableError(f"cannot read {path}: {error.strerror}") from error
            return writer.commit()

    def writer(self) -> ObjectWriter:
        """Return a writer for an object of unknown length, to be used in a ``with`` block.

        Raises:
            StorageError: the store cannot be written.
        """
        return ObjectWriter(self)

    def open(self, name: str) -> BinaryIO:
        """Open an object for reading; nothing is checked, see `verify`.

        Raises:
            UnavailableError: it is not in the store or cannot be read.
            MalformedError: `name` names no object.
        """
        path = self.path(name)
        try:
            return path.open("rb")
        except FileNotFoundError as error:
            raise UnavailableError(f"{name} is not in the store {self.root}") from error
        except OSError as error:
            raise UnavailableError(f"cannot read {path}: {error.strerror}") from error

    def read(self, name: str) -> bytes:
        """Return an object's bytes, checked against its name.

        Raises:
            TamperedError: they are not what the name says.
            UnavailableError, MalformedError: as `open`.
        """
        with self.open(name) as file, self._reading(name):
            data = file.read()
        self._check(name, name_of(data))
        return data

    def verify(self, name: str) -> None:
        """Check an object's bytes against its name, a piece at a time.

        Raises:
            TamperedError: they are not what the name says.
            UnavailableError, MalformedError: as `open`.
        """
        hasher = blake3()
        with self.open(name) as file, self._reading(name):
            while chunk := file.read(_CHUNK_BYTES):
                hasher.update(chunk)
        self._check(name, PREFIX + hasher.hexdigest())

    def path(self, name: str) -> Path:
        """Return where an object lies or would lie.

        Raises:
            MalformedError: `name` names no object.
        """
        if not _NAME.fullmatch(name):
            raise MalformedError(f"{name[:100]!r} is not the name of an object (blake3:<64 hex>)")
        digest = name.removeprefix(PREFIX)
        return self.root / digest[:2] / digest

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and bool(_NAME.fullmatch(name)) and self.path(name).is_file()

    def _holds(self, name: str, size: int) -> bool:
        # A file of the wrong size is what a power cut left of an earlier write: write it again.
        try:
            return self.path(name).stat().st_size == size
        except OSError:
            return False

    def _check(self, name: str, actual: str) -> None:
        if actual != name:
            raise TamperedError(
                f"{self.path(name)} does not hold what its name says: expected {name}, got {actual}"
            )

    @contextmanager
    def _guard(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise StorageError(
                f"cannot write to {self.root}: {error.strerror}",
                hint="free some space or choose another folder; what is already stored is kept",
            ) from error

    @contextmanager
    def _reading(self, name: str) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise UnavailableError(f"cannot read {self.path(name)}: {error.strerror}") from error


def named_objects(body: Mapping[str, Json]) -> list[str]:
    """Return the objects a body says the store holds: the strings in its field ``objects``.

    The field is a name, a list of names, or an object whose values are names.
    """
    value = body.get(OBJECTS_FIELD)
    if isinstance(value, Mapping):
        value = list(value.values())
    values = [value] if isinstance(value, str) else value
    if not isinstance(values, (list, tuple)):
        return []
    return [name for name in values if isinstance(name, str)]
