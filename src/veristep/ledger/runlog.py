"""The run log: the first tier, one per run, sealed into segments.

A segment is one file of lines, each one JSON record. Sealing computes the RFC 6962 root over the
lines and signs a statement that names the segment before it; the statement goes into the ledger.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from veristep.core import canonical, merkle
from veristep.errors import (
    MalformedError,
    StorageError,
    TamperedError,
    UnavailableError,
    UsageError,
)
from veristep.ledger import keys, notes

if TYPE_CHECKING:
    from veristep.core.canonical import Json

SEGMENT_VERSION = "veristep-segment/1"

_DOMAIN = b"veristep/segment/v1\n"  # keeps these signatures apart from all others of the key
_FILE = re.compile(r"([0-9]{8})\.jsonl", re.ASCII)
_HEX_ROOT = re.compile(r"[0-9a-f]{64}", re.ASCII)
_HEX_SIGNATURE = re.compile(r"[0-9a-f]{128}", re.ASCII)
_DIGEST = re.compile(r"(sha256:[0-9a-f]{64})?", re.ASCII)
_KEY_NAME = "run"
_MODE = 0o600


@dataclass(frozen=True, slots=True)
class RunKey:
    """The Ed25519 key of one run; it lives as long as the process that records the run."""

    key: notes.SignerKey

    @classmethod
    def generate(cls) -> RunKey:
        """Return a new key."""
        return cls(keys.generate(_KEY_NAME))

    @property
    def public_hex(self) -> str:
        """The public key, as the run's first entry names it in `run_key`."""
        return self.key.verifier.public.hex()

    def sign(self, message: bytes) -> bytes:
        """Return the Ed25519 signature of `message`."""
        return self.key.sign(message)


@dataclass(frozen=True, slots=True)
class Segment:
    """A sealed file of the run log.

    Attributes:
        number: counts from 1.
        file: the file's name in the run log's folder.
        lines: how many lines it has.
        size: its length in bytes.
        root: the RFC 6962 root over its lines (without their newlines), in hex.
        previous: the digest of the previous segment's statement; empty for the first.
        signature: the run key's Ed25519 signature of the domain and the statement, in hex.
    """

    number: int
    file: str
    lines: int
    size: int
    root: str
    previous: str
    signature: str

    def statement(self) -> bytes:
        """Return the canonical JSON that is signed."""
        value = {**self.to_json(), "format": SEGMENT_VERSION}
        del value["signature"]
        return canonical.encode(value)

    def digest(self) -> str:
        """Return the digest by which the next segment names this one."""
        return "sha256:" + hashlib.sha256(self.statement()).hexdigest()

    def to_json(self) -> dict[str, Json]:
        """Return the segment as an entry's body holds it."""
        return {name: getattr(self, name) for name in self.__slots__}

    @classmethod
    def from_json(cls, value: Json) -> Segment:
        """Read a segment from an entry's body.

        Raises:
            MalformedError: it is not a segment.
        """
        if not isinstance(value, Mapping) or set(value) != set(cls.__slots__):
            raise MalformedError(f"not a segment: it has the fields {', '.join(cls.__slots__)}")
        segment = cls(
            number=_positive(value, "number"),
            file=_matching(value, "file", _FILE),
            lines=_positive(value, "lines"),
            size=_positive(value, "size"),
            root=_matching(value, "root", _HEX_ROOT),
            previous=_matching(value, "previous", _DIGEST),
            signature=_matching(value, "signature", _HEX_SIGNATURE),
        )
        if segment.file != file_name(segment.number):
            raise MalformedError(f"segment {segment.number} is not named {segment.file}")
        return segment


class RunLogWriter:
    """Writes the run log of one run; used by one process and one thread."""

    def __init__(self, directory: Path, run: str, signer: RunKey) -> None:
        """Take an empty or missing folder.

        Raises:
            UsageError: the folder already holds a run log.
            StorageError: it cannot be made.
        """
        self._directory = Path(directory)
        self._run = run
        self._signer = signer
        self._number = 1
        self._previous = ""
        self._descriptor: int | None = None
        self._tree = merkle.Frontier()
        self._size = 0
        try:
            self._directory.mkdir(mode=keys.FOLDER_MODE, parents=True, exist_ok=True)
            taken = segment_files(self._directory)
        except OSError as error:
            raise self._refused(error) from error
        if taken:
            raise UsageError(
                f"{directory} already holds a log of the run {run}", hint="give the run a new id"
            )

    def append(self, line: bytes) -> None:
        """Add one record; when this returns, a crash of this process does not lose it.

        Raises:
            UsageError: the line is empty or has a newline in it.
            StorageError: the disk refuses it; the log is as it was before.
        """
        if not line or b"\n" in line:
            raise UsageError("a record is one line, not empty and without a newline")
        data = line + b"\n"
        try:
            descriptor = self._open()
            written = 0
            while written < len(data):
                written += os.write(descriptor, data[written:])
        except OSError as error:
            # What the disk took of the line is taken back, or the next line would join it.
            if self._descriptor is not None:
                with suppress(OSError):
                    os.ftruncate(self._descriptor, self._size)
                    os.lseek(self._descriptor, self._size, os.SEEK_SET)
            raise self._refused(error) from error
        self._size += len(data)
        self._tree.append(merkle.leaf_hash(line))

    def seal(self) -> Segment | None:
        """Close the current file for good and return its segment; None when nothing was added.

        Raises:
            StorageError: the file cannot be synced; the log is as it was, and can be sealed again.
        """
        if self._descriptor is None or self._tree.size == 0:
            return None
        try:
            os.fsync(self._descriptor)
        except OSError as error:
            raise self._refused(error) from error
        os.close(self._descriptor)
        unsigned = Segment(
            number=self._number,
            file=file_name(self._number),
            lines=self._tree.size,
            size=self._size,
            root=self._tree.root().hex(),
            previous=self._previous,
            signature="",
        )
        signature = self._signer.sign(_DOMAIN + unsigned.statement()).hex()
        self._number += 1
        self._previous = unsigned.digest()
        self._descriptor, self._tree, self._size = None, merkle.Frontier(), 0
        return Segment.from_json({**unsigned.to_json(), "signature": signature})

    def close(self) -> None:
        """Close the current file without sealing it."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None

    def _open(self) -> int:
        if self._descriptor is None:
            path = self._directory / file_name(self._number)
            self._descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, _MODE)
        return self._descriptor

    def _refused(self, error: OSError) -> StorageError:
        return StorageError(
            f"cannot write the log of run {self._run} in {self._directory}: {error.strerror}",
            hint="free some space; what is already written is kept",
        )


def verify_segment(directory: Path, segment: Segment, public_hex: str, previous: str) -> list[bytes]:
    """Check a sealed file and return its lines.

    Args:
        directory: the run log's folder.
        segment: the segment as the ledger holds it.
        public_hex: the run key, from the run's first entry.
        previous: the digest of the segment before it; empty for the first.

    Raises:
        TamperedError: the file or the statement is not what was sealed, or the file is gone.
        MalformedError: the key does not follow its format.
        UnavailableError: the file cannot be read.
    """
    verify_statement(segment, public_hex, previous)
    path = Path(directory) / segment.file
    try:
        data = path.read_bytes()
    except FileNotFoundError as error:
        raise TamperedError(f"{path} was sealed and is gone") from error
    except OSError as error:
        raise UnavailableError(f"cannot read {path}: {error.strerror}") from error
    lines = data.split(b"\n")
    if lines.pop() != b"":
        raise TamperedError(f"{path}:{len(lines) + 1}: the last line of a sealed file is cut short")
    if len(lines) != segment.lines:
        raise TamperedError(f"{path}: expected {segment.lines} lines, got {len(lines)}")
    if len(data) != segment.size:
        raise TamperedError(f"{path}: expected {segment.size} bytes, got {len(data)}")
    actual = merkle.root([merkle.leaf_hash(line) for line in lines]).hex()
    if actual != segment.root:
        raise TamperedError(
            f"{path}:{_suspect(lines)}: a line is not what was sealed: "
            f"expected root {segment.root}, got {actual}"
        )
    return lines


def verify_statement(segment: Segment, public_hex: str, previous: str) -> None:
    """Check a segment's signature and its link to the one before.

    Raises:
        TamperedError: not signed by the run key, or following another segment.
        MalformedError: `public_hex` is not a key.
    """
    name = f"segment {segment.number}"
    if segment.previous != previous:
        raise TamperedError(
            f"{name} does not follow the one before it: expected {previous or 'none'}, "
            f"got {segment.previous or 'none'}"
        )
    if not _HEX_ROOT.fullmatch(public_hex):
        raise MalformedError(f"{public_hex[:80]!r} is not an Ed25519 key in hex")
    key = notes.VerifierKey(_KEY_NAME, bytes.fromhex(public_hex))
    try:
        key.verify(bytes.fromhex(segment.signature), _DOMAIN + segment.statement())
    except TamperedError as error:
        raise TamperedError(f"{name} is not signed by the run's key {public_hex}") from error


def read_lines(directory: Path) -> Iterator[bytes]:
    """Yield all lines of a run log in order, the unsealed tail included; nothing is checked.

    A last line without its newline is being written, or was cut by a crash, and is left out.

    Raises:
        UnavailableError: a file cannot be read.
    """
    try:
        for name in segment_files(Path(directory)).values():
            with (Path(directory) / name).open("rb") as file:
                for line in file:
                    if line.endswith(b"\n"):
                        yield line[:-1]
    except OSError as error:
        raise UnavailableError(f"cannot read {directory}: {error.strerror}") from error


def file_name(number: int) -> str:
    """Return the name of the file of segment `number`."""
    return f"{number:08d}.jsonl"


def segment_files(directory: Path) -> dict[int, str]:
    """Return the files of a run log by number, in order.

    Raises:
        OSError: the folder cannot be read.
    """
    names = sorted(item.name for item in directory.iterdir())
    return {int(match[1]): match[0] for name in names if (match := _FILE.fullmatch(name))}


def _suspect(lines: list[bytes]) -> str:
    """Return the number of the first line that is not JSON, else the range of all lines."""
    for number, line in enumerate(lines, 1):
        try:
            canonical.decode(line)
        except MalformedError:
            return str(number)
    return f"1-{len(lines)}"


def _positive(value: Mapping[str, Json], name: str) -> int:
    number = value[name]
    if not isinstance(number, int) or isinstance(number, bool) or number < 1:
        raise MalformedError(f"not a segment: {name!r} is not a positive number")
    return number


def _matching(value: Mapping[str, Json], name: str, pattern: re.Pattern[str]) -> str:
    text = value[name]
    if not isinstance(text, str) or not pattern.fullmatch(text):
        raise MalformedError(f"not a segment: {name!r} is not of its form")
    return text
