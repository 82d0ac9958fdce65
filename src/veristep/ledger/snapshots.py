"""Snapshots as they lie on disk: a manifest that names parts, and parts named by their content.

The manifest (`veristep-snapshot/1`, docs/formats/run.md) is an object of the ledger's store and stays
there for good: it says what every tensor was. The parts hold the bytes. They lie in a store of their own
per run, ``runs/<run>/snapshots``, so that dropping one run's snapshots can never take another run's bytes
away. Within the run equal parts are stored once: a frozen layer, or what all ranks hold alike.

This module runs in training processes too: standard library and blake3 only.
"""

from __future__ import annotations

import fcntl
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from veristep.core.canonical import Json, decode_object, encode
from veristep.errors import MalformedError, StorageError, TamperedError, VeristepError
from veristep.ledger.objects import PREFIX, ObjectStore, name_of

FORMAT = "veristep-snapshot/1"
FOLDER = "snapshots"
# Type of the supervisor's line that names snapshots whose parts were deleted to save room.
DROPPED = "dropped"
# Large tensors are stored in pieces of this size, so that one changed row does not store all of it again.
PIECE_BYTES = 8 << 20
# Smaller tensors share an object: a file of its own for each bias would cost more than it saves.
SMALL_BYTES = 64 << 10
LOCK_NAME = "lock"
KEPT_FOLDER = "kept"

_KEPT = re.compile(r"(\d{1,6}(?:\.\d{1,6})?)-(\d{10,})", re.ASCII)


@dataclass(frozen=True, slots=True)
class StoredTensor:
    """One tensor of a snapshot.

    Attributes:
        dtype: torch name, or ``bytes``.
        shape: sizes.
        size: bytes.
        pieces: names by content of its bytes, cut every `PIECE_BYTES`; a small or empty one has one.
        bundle: for a small tensor, the number of the bundle it lies in and its byte offset there.
    """

    dtype: str
    shape: tuple[int, ...]
    size: int
    pieces: tuple[str, ...]
    bundle: tuple[int, int] | None = None

    def to_json(self) -> Json:
        """Return the JSON form."""
        hexes: list[Json] = [piece.removeprefix(PREFIX) for piece in self.pieces]
        place: Json = list(self.bundle) if self.bundle else None
        return [self.dtype, list(self.shape), self.size, hexes, place]


@dataclass(frozen=True, slots=True)
class Manifest:
    """What a snapshot holds.

    Attributes:
        step: the step it opens.
        tree: the state as a pack's tree (`record.pack`), in which ``{"$part": n}`` is a tensor.
        tensors: by n.
        bundles: names of the objects small tensors lie in.
    """

    step: int
    tree: Json
    tensors: tuple[StoredTensor, ...]
    bundles: tuple[str, ...]

    @property
    def stored(self) -> set[str]:
        """The parts it needs, by name."""
        large = {piece for tensor in self.tensors if not tensor.bundle for piece in tensor.pieces}
        return large | set(self.bundles)

    def to_bytes(self) -> bytes:
        """Return the canonical JSON that is stored."""
        return encode(
            {
                "format": FORMAT,
                "step": self.step,
                "tree": self.tree,
                "tensors": [tensor.to_json() for tensor in self.tensors],
                "bundles": [name.removeprefix(PREFIX) for name in self.bundles],
            }
        )

    @classmethod
    def from_bytes(cls, data: bytes) -> Manifest:
        """Read a manifest.

        Raises:
            MalformedError: it is none, or contradicts itself.
        """
        value: Mapping[str, Any] = decode_object(data)
        if value.get("format") != FORMAT:
            raise MalformedError(f"not a snapshot: its format is {value.get('format')!r}, not {FORMAT!r}")
        try:
            bundles = tuple(PREFIX + str(name) for name in value["bundles"])
            tensors = tuple(_tensor(row, len(bundles)) for row in value["tensors"])
            return cls(int(value["step"]), value["tree"], tensors, bundles)
        except (KeyError, TypeError, ValueError) as error:
            raise MalformedError(f"not a snapshot: {error!r}") from error


class SnapshotStore:
    """The parts of one run's snapshots; any number of its processes may write at once."""

    def __init__(self, root: Path) -> None:
        self.root = Path(root)
        self.parts = ObjectStore(self.root / "parts")

    @contextmanager
    def writing(self) -> Iterator[None]:
        """Hold off collection meanwhile: a part found to be there stays there.

        Raises:
            StorageError: the file system refuses.
        """
        with self._lock(fcntl.LOCK_SH):
            yield

    def keep(self, stream: str, step: int, manifest: str) -> None:
        """Note, before anybody is told, that a snapshot's parts are needed; within `writing`.

        Raises:
            StorageError: the file system refuses.
        """
        folder = self.root / KEPT_FOLDER
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            path = folder / f"{stream}-{step:010d}"
            temporary = folder / f".{path.name}.{os.getpid()}"
            temporary.write_text(manifest, encoding="ascii")
            temporary.rename(path)
        except OSError as error:
            raise StorageError(f"cannot write to {folder}: {error.strerror}") from error

    def kept(self) -> dict[tuple[str, int], str]:
        """Return the manifests of the snapshots whose parts are here, by stream and step."""
        found = {}
        with suppress(FileNotFoundError):
            for path in (self.root / KEPT_FOLDER).iterdir():
                match = _KEPT.fullmatch(path.name)
                if match:
                    found[match[1], int(match[2])] = path.read_text(encoding="ascii")
        return found

    def drop(self, objects: ObjectStore, gone: Sequence[tuple[str, int]]) -> int:
        """Forget snapshots and delete the parts no other one needs; return the bytes set free.

        Raises:
            StorageError: the file system refuses.
            VeristepError: a manifest of a snapshot that stays cannot be read; nothing is deleted then.
        """
        with self._lock(fcntl.LOCK_EX):
            kept = self.kept()
            needed: set[str] = set()
            for place, name in kept.items():
                if place not in gone:
                    needed |= Manifest.from_bytes(objects.read(name)).stored
            candidates: set[str] = set()
            for place in gone:
                if place in kept:
                    candidates |= _stored(objects, kept[place])
            # Pointers first: parts without one are litter, a pointer without parts would be a lie.
            for stream, step in gone:
                (self.root / KEPT_FOLDER / f"{stream}-{step:010d}").unlink(missing_ok=True)
            return sum(self._delete(name) for name in candidates - needed)

    def read(self, manifest: Manifest) -> Iterator[bytes]:
        """Yield the bytes of each tensor, checked against the manifest.

        Raises:
            UnavailableError: a part is not there.
            TamperedError: a part is not what its name says.
        """
        bundles = [self.parts.read(name) for name in manifest.bundles]
        for number, tensor in enumerate(manifest.tensors):
            if tensor.bundle is None:
                data = b"".join([self.parts.read(piece) for piece in tensor.pieces])
            else:
                bundle, offset = tensor.bundle
                data = bundles[bundle][offset : offset + tensor.size]
            if len(data) != tensor.size or (tensor.bundle and name_of(data) != tensor.pieces[0]):
                raise TamperedError(f"tensor {number} of a snapshot is not what its manifest says")
            yield data

    def _delete(self, name: str) -> int:
        path = self.parts.path(name)
        try:
            size = path.stat().st_size
            path.unlink()
        except OSError:
            return 0
        return size

    @contextmanager
    def _lock(self, how: int) -> Iterator[None]:
        try:
            self.root.mkdir(mode=0o700, parents=True, exist_ok=True)
            descriptor = os.open(self.root / LOCK_NAME, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise StorageError(f"cannot write to {self.root}: {error.strerror}") from error
        try:
            fcntl.flock(descriptor, how)
            yield
        finally:
            os.close(descriptor)


def _stored(objects: ObjectStore, name: str) -> set[str]:
    try:
        return Manifest.from_bytes(objects.read(name)).stored
    except VeristepError:
        return set()  # its parts stay: litter is better than a part too few


def _tensor(row: Any, bundles: int) -> StoredTensor:
    dtype, shape, size, pieces, place = row
    bundle = None if place is None else (int(place[0]), int(place[1]))
    names = tuple(PREFIX + str(piece) for piece in pieces)
    if bundle is not None and not (0 <= bundle[0] < bundles and bundle[1] >= 0 and len(names) == 1):
        raise ValueError(f"a tensor lies in bundle {bundle} of {bundles}")
    if bundle is None and len(names) != -(-int(size) // PIECE_BYTES):
        raise ValueError(f"a tensor of {size} bytes has {len(names)} pieces")
    return StoredTensor(str(dtype), tuple(int(each) for each in shape), int(size), names, bundle)
