"""The manifest of a data set: every file, cut into chunks, each chunk by its digest.

The form is `docs/formats/data.md`. It says what the data is and nothing about where it lies, so that a copy
elsewhere has the same manifest, and the same root digest.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass

from veristep.core.canonical import Json, decode_object, encode
from veristep.errors import MalformedError, UnsupportedVersionError

FORMAT = "veristep-data/1"
DIGEST_BYTES = 32
MIN_CHUNK_BYTES, MAX_CHUNK_BYTES = 1 << 12, 1 << 30


@dataclass(frozen=True, slots=True)
class DataFile:
    """One file.

    Attributes:
        path: below the data's root, with slashes; bytes that are not UTF-8 as surrogates.
        size: in bytes.
        digest: of the whole, over `chunks`, 64 hex digits.
        chunks: the 32-byte digests of its chunks, one after another.
        link: the target of the symbolic link it was reached through; empty for none.
    """

    path: str
    size: int
    digest: str
    chunks: bytes
    link: str = ""

    @property
    def count(self) -> int:
        """How many chunks it has."""
        return len(self.chunks) // DIGEST_BYTES

    def chunk(self, number: int) -> bytes:
        """Return the digest of one chunk."""
        return self.chunks[number * DIGEST_BYTES : (number + 1) * DIGEST_BYTES]


@dataclass(frozen=True, slots=True)
class Manifest:
    """What a data set consists of, by path."""

    chunk_bytes: int
    files: tuple[DataFile, ...]

    @property
    def size(self) -> int:
        """Bytes of all files."""
        return sum(file.size for file in self.files)

    @property
    def chunks(self) -> int:
        """Chunks of all files."""
        return sum(file.count for file in self.files)

    def by_path(self) -> dict[str, DataFile]:
        """Return the files by path."""
        return {file.path: file for file in self.files}

    def encode(self) -> bytes:
        """Return the bytes, whose digest is the data's root."""
        head: dict[str, Json] = {"format": FORMAT, "chunk": self.chunk_bytes, "files": len(self.files)}
        lines = [encode(head), *(encode(_line(file)) for file in self.files)]
        return b"".join(line + b"\n" for line in lines)


def chunk_count(size: int, chunk_bytes: int) -> int:
    """Return how many chunks a file of this size has; an empty one has none."""
    return -(-size // chunk_bytes)


def decode(data: bytes) -> Manifest:
    """Parse the bytes of a manifest.

    Raises:
        MalformedError: they are none, or not in their canonical form.
        UnsupportedVersionError: a format this Veristep does not read.
    """
    lines = data.split(b"\n")
    if lines.pop() != b"":
        raise MalformedError("the manifest is cut short: its last line has no end")
    if not lines:
        raise MalformedError("the manifest is empty")
    head = decode_object(lines[0])
    if head.get("format") != FORMAT:
        raise UnsupportedVersionError(
            f"the manifest has the format {head.get('format')!r}; this Veristep reads {FORMAT!r}"
        )
    size, count = head.get("chunk"), head.get("files")
    if type(size) is not int or not MIN_CHUNK_BYTES <= size <= MAX_CHUNK_BYTES:
        raise MalformedError(f"line 1 of the manifest: {size!r} is no chunk size")
    if count != len(lines) - 1:
        raise MalformedError(f"the manifest names {count} files and lists {len(lines) - 1}")
    manifest = Manifest(size, tuple(_file(line, number, size) for number, line in enumerate(lines[1:], 2)))
    _check_order(manifest.files)
    if manifest.encode() != data:
        raise MalformedError("the manifest is not in its canonical form")
    return manifest


def path_json(path: str) -> Json:
    """Return a path as JSON: as it is, or the hex of its bytes in a list when it is not UTF-8."""
    try:
        path.encode("utf-8")
    except UnicodeEncodeError:
        return [path.encode("utf-8", "surrogateescape").hex()]
    return path


def path_from_json(value: object) -> str:
    """Return the path that `path_json` made a value of.

    Raises:
        MalformedError: it made no such value.
    """
    if isinstance(value, str):
        return value
    if isinstance(value, (list, tuple)) and len(value) == 1:
        with suppress(ValueError):
            return bytes.fromhex(str(value[0])).decode("utf-8", "surrogateescape")
    raise MalformedError(f"{value!r} is no path")


def _line(file: DataFile) -> dict[str, Json]:
    line: dict[str, Json] = {
        "path": path_json(file.path),
        "size": file.size,
        "blake3": file.digest,
        # A file of one chunk needs no second digest said; all chunks in one text are quick to read.
        "chunks": file.chunks.hex(),
    }
    return line | ({"link": path_json(file.link)} if file.link else {})


def _file(data: bytes, number: int, chunk_bytes: int) -> DataFile:
    value: Mapping[str, Json] = decode_object(data)
    try:
        path, size = path_from_json(value["path"]), value["size"]
        digest, chunks = value["blake3"], bytes.fromhex(str(value["chunks"]))
        link = path_from_json(value.get("link", ""))
    except (KeyError, ValueError) as error:
        raise MalformedError(f"line {number} of the manifest is no file: {error}") from error
    if type(size) is not int or size < 0 or not isinstance(digest, str):
        raise MalformedError(f"line {number} of the manifest is no file: its size or digest is none")
    if len(chunks) != DIGEST_BYTES * chunk_count(size, chunk_bytes):
        raise MalformedError(
            f"line {number} of the manifest: {len(chunks)} bytes of digests for {size} bytes"
        )
    return DataFile(path, size, digest, chunks, link)


def _check_order(files: Iterable[DataFile]) -> None:
    before: bytes | None = None
    for file in files:
        key = file.path.encode("utf-8", "surrogateescape")
        if before is not None and key <= before:
            raise MalformedError(f"the manifest is not sorted, or names {file.path!r} twice")
        before = key
