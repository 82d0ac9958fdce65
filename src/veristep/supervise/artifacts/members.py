"""What a checkpoint consists of: the members of a torch archive, the tensors of a safetensors file.

Each has its place, its size and a digest, so that two states of a file can be compared part by part.
Nothing is unpickled, nothing is decompressed: a member is the bytes as they stand.
"""

from __future__ import annotations

import os
import struct
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from blake3 import blake3

from veristep.core.canonical import Json, decode, decode_object, encode
from veristep.errors import MalformedError
from veristep.supervise.artifacts.names import MAX_PICKLE_BYTES, storage_names

FORMAT = "veristep-members/1"
ZIP, SAFETENSORS = "zip", "safetensors"
MAX_MEMBERS = 200_000
# Beyond it a member's digest is left out, and its CRC, which the writer noted, stands alone.
MAX_DIGEST_BYTES = 8 << 30
_MAX_HEADER_BYTES = 100 << 20
_READ_BYTES = 1 << 20
_LOCAL = struct.Struct("<4s5H3L2H")
_LENGTH = struct.Struct("<Q")


@dataclass(frozen=True, slots=True)
class Member:
    """One part of a file.

    Attributes:
        name: in the file, without the archive's own first folder.
        label: the place of its tensor, as ``optimizer.state.0.exp_avg``; empty where that is not known.
        size: of its bytes.
        crc: of a zip member, as its directory says; 0 for others.
        digest: BLAKE3 of its bytes, hex; empty when it was not read.
    """

    name: str
    label: str
    size: int
    crc: int
    digest: str

    @property
    def words(self) -> str:
        """What people call it."""
        return f"{self.label} ({self.name})" if self.label and self.label != self.name else self.name


@dataclass(frozen=True, slots=True)
class Members:
    """The parts of a file, in the order they stand there."""

    kind: str
    members: tuple[Member, ...]

    def encode(self) -> bytes:
        """Return the bytes that are kept."""
        rows: list[Json] = [
            [each.name, each.label, each.size, each.crc, each.digest] for each in self.members
        ]
        return encode({"format": FORMAT, "kind": self.kind, "members": rows})


def parse(data: bytes) -> Members:
    """Parse what `Members.encode` made.

    Raises:
        MalformedError: it made no such bytes.
    """
    value: Any = decode_object(data)
    try:
        if value["format"] != FORMAT:
            raise MalformedError(f"members of the format {value['format']!r}")
        return Members(str(value["kind"]), tuple(Member(*row) for row in value["members"]))
    except (KeyError, TypeError) as error:
        raise MalformedError(f"not the members of a file: {error!r}") from error


def describe(path: Path, *, digests: bool = True) -> Members | None:
    """Return the parts of a file; None when it is of no known kind, or cannot be followed.

    Raises:
        OSError: it cannot be read.
    """
    with path.open("rb") as file:
        size = os.fstat(file.fileno()).st_size
        digests = digests and size <= MAX_DIGEST_BYTES
        start = file.read(8)
        try:
            if start[:4] == b"PK\3\4":
                return Members(ZIP, tuple(_zip_members(file, digests=digests)))
            if len(start) == 8 and path.suffix == ".safetensors":
                header = _LENGTH.unpack(start)[0]
                return Members(SAFETENSORS, tuple(_tensors(file, header, size, digests=digests)))
        except (
            zipfile.BadZipFile,
            MalformedError,
            ValueError,
            KeyError,
            struct.error,
            NotImplementedError,
        ):
            return None
    return None


def _zip_members(file: IO[bytes], *, digests: bool) -> Iterator[Member]:
    with zipfile.ZipFile(file) as archive:
        entries = archive.infolist()
        if len(entries) > MAX_MEMBERS:
            raise MalformedError("too many members")
        names = _names(archive, entries, file)
        for entry in entries:
            place = _data_of(file, entry)
            digest = _digest(file, place, entry.compress_size) if digests else ""
            name = _inner(entry.filename)
            yield Member(name, names.get(name, ""), entry.compress_size, entry.CRC, digest)


def _names(archive: zipfile.ZipFile, entries: list[zipfile.ZipInfo], file: IO[bytes]) -> dict[str, str]:
    """Return, per member with a storage, the place of its tensor."""
    del archive
    for entry in entries:
        stored = entry.compress_type == zipfile.ZIP_STORED and entry.compress_size <= MAX_PICKLE_BYTES
        if _inner(entry.filename) == "data.pkl" and stored:
            file.seek(_data_of(file, entry))
            found = storage_names(file.read(entry.compress_size))
            return {f"data/{key}": name for key, name in found.items()}
    return {}


def _inner(name: str) -> str:
    # torch puts everything below a folder that is named after the file, which a renaming leaves as it was.
    return name.partition("/")[2] or name


def _data_of(file: IO[bytes], entry: zipfile.ZipInfo) -> int:
    file.seek(entry.header_offset)
    header = _LOCAL.unpack(file.read(_LOCAL.size))
    if header[0] != b"PK\3\4":
        raise MalformedError("a member is not where the directory says")
    return entry.header_offset + _LOCAL.size + int(header[9]) + int(header[10])


def _tensors(file: IO[bytes], header: int, size: int, *, digests: bool) -> Iterator[Member]:
    if header > min(_MAX_HEADER_BYTES, size):
        raise MalformedError("the header is longer than the file")
    raw = file.read(header)
    value = decode(raw)
    if not isinstance(value, dict) or len(value) > MAX_MEMBERS:
        raise MalformedError("the header is no object")
    yield Member("__header__", "", header, 0, blake3(raw).hexdigest())
    base = 8 + header
    for name, about in value.items():
        if name == "__metadata__" or not isinstance(about, dict):
            continue
        start, stop = _offsets(about)
        digest = _digest(file, base + start, stop - start) if digests else ""
        yield Member(name, name, stop - start, 0, digest)


def _offsets(about: dict[str, Any]) -> tuple[int, int]:
    start, stop = about["data_offsets"]
    if not (isinstance(start, int) and isinstance(stop, int) and 0 <= start <= stop):
        raise MalformedError("a tensor has no place")
    return start, stop


def _digest(file: IO[bytes], start: int, size: int) -> str:
    hasher = blake3()
    file.seek(start)
    while size > 0:
        block = file.read(min(size, _READ_BYTES))
        if not block:
            raise MalformedError("a member is longer than the file")
        hasher.update(block)
        size -= len(block)
    return hasher.hexdigest()
