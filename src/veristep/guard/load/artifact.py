"""The file a load reads: found by its open descriptor, so that what is digested is what was read."""

from __future__ import annotations

import gc
import io
import os
import pickle
import stat
import sys
from collections.abc import Iterator
from dataclasses import dataclass, replace
from types import BuiltinMethodType, FrameType, MethodType

from blake3 import blake3

from veristep.core.canonical import Json
from veristep.guard.load.calls import Placing

# Beyond this the load would be felt to hang before it is refused.
DIGEST_BYTES = 4 << 30
PICKLE_BYTES = 64 << 20
_BLOCK = 1 << 22
_MOST_DIGESTS = 64
_NEAR_FRAMES = 12
_READS, _SOME_READS = "the unpickler reads it", "an unpickler of this process reads it"
_ONLY_OPENED = "this thread opened it last before the load"
_OPENED_LAST = "this thread opened it last before the load; digested when the load was stopped"
# Objects of loaders that hold a file: torch's.
_HOLDERS = ("_open_file", "_open_zipfile_reader")
_METHODS = (BuiltinMethodType, MethodType)
_UNPICKLERS = (pickle.Unpickler, pickle._Unpickler)


@dataclass(frozen=True, slots=True)
class Artifact:
    """A file, or bytes in memory, that a load reads.

    Attributes:
        path: empty for bytes whose file is not known.
        how: how it is known that the load reads it.
        digest: ``blake3:`` of all its bytes, read through the same descriptor; empty when not taken.
        status: owner, mode, times and size at that moment; empty for bytes.
        data: the pickled bytes, as far as they could be had.
        certain: whether an unpickler reads these very bytes, and not only somebody near it.
    """

    path: str = ""
    how: str = ""
    digest: str = ""
    status: tuple[tuple[str, int], ...] = ()
    data: bytes = b""
    certain: bool = False

    def to_json(self) -> dict[str, Json]:
        """Return the JSON form, without the bytes."""
        return {"path": self.path, "how": self.how, "digest": self.digest, "status": dict(self.status)}


def find(frames: tuple[FrameType, ...], recent: str = "") -> Artifact:
    """Return what the load of these frames reads.

    Args:
        frames: of the load, from the innermost on.
        recent: path of the file this thread opened last.
    """
    data, certain = b"", False
    for thing, how in (*_read_by_unpicklers(), *_held_by_frames(frames)):
        read = how in (_READS, _SOME_READS)
        if isinstance(thing, io.BytesIO):
            if not data:
                data, certain = thing.getvalue()[:PICKLE_BYTES], read
            continue
        found = _of_file(thing, how, data)
        if found is not None:
            return replace(found, certain=certain if data else read)
    packaged = _packages(frames)
    for path, how in ((packaged, "the package importer reads it"), (recent, _OPENED_LAST)):
        found = _of_path(path, how, data) if path else None
        if found is not None:
            return found
    if data:
        return Artifact("", "bytes in memory", f"blake3:{blake3(data).hexdigest()}", (), data)
    return Artifact()


def of_descriptor(descriptor: int, how: str) -> Artifact:
    """Return the file that is open under a descriptor, without its bytes.

    Raises:
        OSError: it cannot be read.
    """
    status = os.fstat(descriptor)
    path = os.readlink(f"/proc/self/fd/{descriptor}")  # noqa: PTH115
    return Artifact(path.removesuffix(" (deleted)"), how, _digest(descriptor, status), _status(status))


def of_bytes(data: bytes, frames: tuple[FrameType, ...]) -> Artifact:
    """Return the file that bytes were read from, where a caller still holds it open; else the bytes."""
    for thing, how in _held_by_frames(frames):
        found = None if isinstance(thing, io.BytesIO) else _of_file(thing, how, b"-")
        if found is not None:
            return replace(found, data=b"")
    return Artifact("", "bytes in memory", f"blake3:{blake3(data).hexdigest()}")


def of_code(path: str) -> Artifact:
    """Return the file of code that came with a model."""
    return _of_path(path, "its code asks for this", b"") or Artifact(path, "its code asks for this")


def quickly(recent: str) -> Artifact:
    """Return the file a thread opened last, not looked into: for what is only noted."""
    return Artifact(recent, _ONLY_OPENED) if recent else Artifact()


def _read_by_unpicklers() -> list[tuple[object, str]]:
    """Return the files that unpicklers of this process read from, the newest first, the C one's included.

    The interpreter says of a C unpickler what it refers to: among it, the methods of its file.
    """
    others = len(sys._current_frames()) > 1
    found: list[tuple[object, str]] = []
    # With other threads at work an unpickler may be theirs.
    for each in _unpicklers():
        for held in gc.get_referents(each):
            owner = held.__self__ if isinstance(held, _METHODS) else held
            if isinstance(owner, io.IOBase):
                found.append((owner, _SOME_READS if others else _READS))
                break
    return found


def _unpicklers() -> Iterator[object]:
    """Yield the unpicklers of this process, the newest first: the one at work before those that are kept.

    The collector keeps the youngest generation apart, and in each the newest last.
    """
    for generation in range(3):
        for each in reversed(gc.get_objects(generation)):
            kind = type(each)
            # Our own readers of earlier loads may still be there: what they read is not loaded now.
            if issubclass(kind, _UNPICKLERS) and not issubclass(kind, Placing):
                yield each


def _held_by_frames(frames: tuple[FrameType, ...]) -> Iterator[tuple[object, str]]:
    for frame in frames[:_NEAR_FRAMES]:
        for value in list(frame.f_locals.values()):
            if isinstance(value, io.IOBase) or type(value).__name__ in _HOLDERS:
                yield value, f"{frame.f_code.co_name} holds it open"
            elif type(value) is bytes and len(value) > 1 and value[:1] in b"\x80(c}]":
                yield io.BytesIO(value), "a variable"


def _of_file(thing: object, how: str, data: bytes) -> Artifact | None:
    descriptor = _descriptor(thing)
    if descriptor < 0:
        return None
    try:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            return None
        path = os.readlink(f"/proc/self/fd/{descriptor}")  # noqa: PTH115
        return Artifact(
            path.removesuffix(" (deleted)"),
            how,
            _digest(descriptor, status),
            _status(status),
            data or unpacked(os.pread(descriptor, min(status.st_size, PICKLE_BYTES), 0)),
        )
    except OSError:
        return None


def _descriptor(thing: object) -> int:
    """Return the descriptor of a file, or of what a reader of compressed data reads from."""
    seen = 0
    while thing is not None and seen < 6:
        seen += 1
        if type(thing) is io.FileIO or type(thing) in (io.BufferedReader, io.BufferedRandom):
            assert isinstance(thing, io.IOBase)
            try:
                return thing.fileno()
            except (OSError, ValueError):
                return -1
        inner = None
        for name in ("_fp", "fileobj", "myfileobj", "_buffer", "raw", "_file", "buffer", "file_like"):
            try:
                inner = object.__getattribute__(thing, name)
            except AttributeError:
                continue
            if isinstance(inner, io.IOBase) or hasattr(type(inner), "read"):
                break
            inner = None
        thing = inner
    return -1


def _packages(frames: tuple[FrameType, ...]) -> str:
    """Return the archive of the package importer that is at work; its reader has no file in Python."""
    for frame in frames:
        held = frame.f_locals.get("self")
        if type(held).__name__ == "PackageImporter":
            path = getattr(held, "filename", "")
            return path if isinstance(path, str) else ""
    return ""


def _of_path(path: str, how: str, data: bytes) -> Artifact | None:
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except OSError:
        return None
    try:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            return None
        digest = _digest(descriptor, status)
        read = data or unpacked(os.pread(descriptor, min(status.st_size, PICKLE_BYTES), 0))
    except OSError:
        return None
    finally:
        os.close(descriptor)
    return Artifact(path, how, digest, _status(status), read)


def unpacked(data: bytes) -> bytes:
    """Return what compressed bytes hold, as far as `PICKLE_BYTES`; other bytes as they are."""
    try:
        if data.startswith(b"\x1f\x8b"):
            import zlib

            return zlib.decompressobj(31).decompress(data, PICKLE_BYTES)
        if data.startswith(b"BZh"):
            import bz2

            return bz2.BZ2Decompressor().decompress(data, PICKLE_BYTES)
        if data.startswith(b"\xfd7zXZ\0"):
            import lzma

            return lzma.LZMADecompressor().decompress(data, PICKLE_BYTES)
    except Exception:  # noqa: BLE001 - whatever the bytes are, they are looked at as they stand
        return data
    return data


def _digest(descriptor: int, status: os.stat_result) -> str:
    """Return the digest of a file; of one that has not changed since it was taken before, the same."""
    if status.st_size > DIGEST_BYTES:
        return ""
    key = (status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns)
    if key not in _digests:
        hasher, offset = blake3(), 0
        while block := os.pread(descriptor, _BLOCK, offset):
            hasher.update(block)
            offset += len(block)
        if len(_digests) > _MOST_DIGESTS:
            _digests.clear()
        _digests[key] = f"blake3:{hasher.hexdigest()}"
    return _digests[key]


_digests: dict[tuple[int, ...], str] = {}


def _status(status: os.stat_result) -> tuple[tuple[str, int], ...]:
    return (
        ("uid", status.st_uid),
        ("gid", status.st_gid),
        ("mode", status.st_mode),
        ("size", status.st_size),
        ("mtime_ns", status.st_mtime_ns),
        ("ctime_ns", status.st_ctime_ns),
    )
